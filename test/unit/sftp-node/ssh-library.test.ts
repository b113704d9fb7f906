import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { execa } from 'execa';
import { requirePatchedSsh2 } from '../../../sftp-node/ssh-library.ts';

const root = join(import.meta.dirname, '../../..');
const patchFile = 'patches/ssh2@1.17.0.patch';

describe('the patched ssh2', () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-patch-'));
  after(() => rmSync(folder, { recursive: true }));

  /** A checkout with nothing but the package, the patch and the script. */
  function checkout(name: string) {
    const place = join(folder, name);
    const ssh2 = join(place, 'node_modules/ssh2');
    mkdirSync(join(place, 'scripts'), { recursive: true });
    cpSync(join(root, 'patches'), join(place, 'patches'), { recursive: true });
    cpSync(join(root, 'scripts/patch-packages'), join(place, 'scripts/patch-packages'));
    cpSync(join(root, 'node_modules/ssh2/package.json'), join(ssh2, 'package.json'));
    for (const file of ['index.js', 'server.js', 'protocol/kex.js', 'protocol/Protocol.js']) {
      cpSync(join(root, 'node_modules/ssh2/lib', file), join(ssh2, 'lib', file));
    }
    return { ssh2, patch: () => execa(join(place, 'scripts/patch-packages'), { reject: false }) };
  }
  const reverse = (ssh2: string) =>
    execa('patch', ['--batch', '--reverse', '--strip=1', `--directory=${ssh2}`], {
      inputFile: join(root, patchFile),
    });

  it('is installed, with the patch as it stands', async () => {
    requirePatchedSsh2();
    await reverse(checkout('installed').ssh2);
  });

  it('is missed when the package has none, or another one: SSH2_UNPATCHED', () => {
    for (const library of [{}, { holdfastPatch: 0 }, { holdfastPatch: 'x' }]) {
      assert.throws(() => requirePatchedSsh2(library), { code: 'SSH2_UNPATCHED' });
    }
  });

  it('is made by the script, any number of times', async () => {
    const { ssh2, patch } = checkout('made');
    const server = join(ssh2, 'lib/server.js');
    const patched = readFileSync(server, 'utf8');
    await reverse(ssh2);
    assert.notEqual(readFileSync(server, 'utf8'), patched);
    for (let turn = 0; turn < 2; turn++) {
      const { exitCode, stderr } = await patch();
      assert.equal(exitCode, 0, String(stderr));
      assert.equal(readFileSync(server, 'utf8'), patched);
    }
  });

  it('is not made of a package that is another one', async () => {
    const { ssh2, patch } = checkout('other');
    const server = join(ssh2, 'lib/server.js');
    await reverse(ssh2);
    writeFileSync(server, readFileSync(server, 'utf8').replaceAll('pendingAuths', 'waitingAuths'));
    assert.match(String((await patch()).stderr), /does not fit/);
    const manifest = join(ssh2, 'package.json');
    writeFileSync(manifest, readFileSync(manifest, 'utf8').replaceAll('1.17.0', '1.18.0'));
    assert.match(String((await patch()).stderr), /not version 1\.17\.0/);
  });
});
