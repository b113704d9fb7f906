import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { promisify } from 'node:util';
import ssh2 from 'ssh2';
import { newKey } from '../../../replicator/state/new-key.ts';
import { Cluster } from './support/cluster.ts';
import { RealNode } from './support/real-node.ts';
import { describeTree } from './support/trees.ts';

const run = promisify(execFile);

it('G3: at the moment the CLOSE is acknowledged the bytes are on the follower; OpenSSH uploads arrive whole', async () => {
  await using cluster = await Cluster.start(['one', 'two']);
  const [one, two] = [cluster.host('one'), cluster.host('two')];
  const identity = newKey('ed25519');
  writeFileSync(
    join(one.settings.configRoot, 'users.yaml'),
    `users:\n  - name: alice\n    publicKeys:\n      - ${identity.publicKey}\n`,
  );
  cluster.epoch = 1;
  one.send({ type: 'lead', epoch: 1, inSync: ['one'], root: one.rootId });
  await one.permit(1);
  await one.until('host keys', () => (one.status?.hostKeyFingerprints.length ?? 0) > 0);
  cluster.follow('two', 'one');
  await using node = await RealNode.start(one.settings, 1);
  await cluster.untilInSync('two');

  const content = randomBytes(3_000_000);
  const onFollower = await uploadBySsh2(node.port, identity.privateKey, content, () =>
    readFileSync(join(two.settings.filesRoot, 'alice/by-ssh2')),
  );
  assert.ok(onFollower.equals(content));

  const [key, source, batch] = ['key', 'source', 'batch'].map((name) => join(cluster.root, name));
  writeFileSync(String(key), identity.privateKey, { mode: 0o600 });
  writeFileSync(String(source), content);
  writeFileSync(
    String(batch),
    `mkdir in\nput -p ${source} in/a\nrename in/a in/b\nln -s b in/link\nchmod 640 in/b\nput ${source} c\nrm c\n`,
  );
  const options = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR'];
  await run('sftp', [
    ...['-b', String(batch), '-P', String(node.port), '-i', String(key)],
    ...options.flatMap((option) => ['-o', option]),
    'alice@127.0.0.1',
  ]);
  assert.deepEqual(describeTree(two.settings.filesRoot), describeTree(one.settings.filesRoot));
  assert.ok(readFileSync(join(two.settings.filesRoot, 'alice/in/b')).equals(content));
});

/** Resolves with what `look` sees within the callback of the CLOSE. */
async function uploadBySsh2(
  port: number,
  privateKey: string,
  content: Buffer,
  look: () => Buffer,
): Promise<Buffer> {
  const client = new ssh2.Client();
  try {
    return await new Promise<Buffer>((resolve, reject) => {
      client.on('error', reject);
      client.on('ready', () =>
        client.sftp((failed, sftp) => {
          if (failed) return reject(failed);
          sftp.open('by-ssh2', 'w', (openFailed, handle) => {
            if (openFailed) return reject(openFailed);
            sftp.write(handle, content, 0, content.length, 0, (writeFailed) => {
              if (writeFailed) return reject(writeFailed);
              sftp.close(handle, (closeFailed) => {
                if (closeFailed) return reject(closeFailed);
                resolve(look());
              });
            });
          });
        }),
      );
      client.connect({ host: '127.0.0.1', port, username: 'alice', privateKey });
    });
  } finally {
    client.destroy();
  }
}
