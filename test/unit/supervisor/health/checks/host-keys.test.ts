import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { hostKeysFact } from '../../../../../supervisor/health/checks/host-keys.ts';

const pem = '-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----\n';

describe('the host keys of a host that may lead', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'holdfast-test-'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const key = () => join(root, 'host_keys/ssh_host_ed25519_key');
  async function codeWith(text: string, mode: number): Promise<string> {
    mkdirSync(join(root, 'host_keys'), { recursive: true });
    writeFileSync(key(), text);
    chmodSync(key(), mode);
    return (await hostKeysFact(root)).code;
  }

  it('may be missing before a cluster had its first leader', async () => {
    assert.equal((await hostKeysFact(root)).level, 'ok');
  });

  it('can be read by their owner alone, and are private keys', async () => {
    assert.equal(await codeWith(pem, 0o600), '');
    assert.equal(await codeWith(pem, 0o640), 'HOST_KEY_PERMISSIONS');
    assert.equal(await codeWith('ssh-ed25519 AAAA', 0o600), 'HOST_KEY_INVALID');
    assert.equal(await codeWith('', 0o600), 'HOST_KEY_INVALID');
  });

  it('are told when they cannot be read', async () => {
    mkdirSync(key(), { recursive: true, mode: 0o700 });
    assert.equal((await hostKeysFact(root)).code, 'HOST_KEY_UNREADABLE');
    rmSync(join(root, 'host_keys'), { recursive: true });
    writeFileSync(join(root, 'host_keys'), 'no folder');
    assert.equal((await hostKeysFact(root)).code, 'HOST_KEY_UNREADABLE');
  });
});
