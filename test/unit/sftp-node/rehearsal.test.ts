import assert from 'node:assert/strict';
import { it } from 'node:test';
import ssh2 from 'ssh2';
import { refusedLogin } from '../../../sftp-node/rehearsal.ts';

it('a rehearsal goes through the key exchange, to a login that is refused', async () => {
  const keys = ssh2.utils.generateKeyPairSync('ed25519').private;
  assert.equal(await refusedLogin([Buffer.from(keys)]), true);
});
