import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import pino from 'pino';
import { newKey } from '../../../replicator/state/new-key.ts';
import { readHostKeys } from '../../../sftp-node/host-keys.ts';

const log = pino({ enabled: false });

describe('host keys', () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-host-keys-'));
  after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'host_keys/ssh_host_ed25519_key');
  mkdirSync(join(folder, 'host_keys'));
  const key = newKey('ed25519').privateKey;
  writeFileSync(file, key);

  for (const mode of [0o600, 0o400, 0o700]) {
    it(`are read with mode ${mode.toString(8)}`, () => {
      chmodSync(file, mode);
      assert.deepEqual(readHostKeys(folder, log), [Buffer.from(key)]);
    });
  }

  for (const mode of [0o640, 0o604, 0o644, 0o620, 0o602, 0o610, 0o601, 0o666, 0o440]) {
    it(`are refused with mode ${mode.toString(8)}, which is said`, () => {
      chmodSync(file, mode);
      assert.throws(() => readHostKeys(folder, log), {
        code: 'HOST_KEY_PERMISSIONS',
        message: new RegExp(`ssh_host_ed25519_key has mode 0${mode.toString(8)}`),
      });
    });
  }
});
