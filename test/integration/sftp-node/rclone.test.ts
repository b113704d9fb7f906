/** rclone's Go client library sends WRITEs with bytes after the data, and many requests at once. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { execa } from 'execa';
import { NodeFixture } from './fixture.ts';

describe('rclone', { timeout: 120_000 }, () => {
  let node: NodeFixture;
  before(async () => {
    node = new NodeFixture();
    await node.prepare();
    await node.start();
    await node.openGate(600_000);
  });
  after(() => node.dispose());

  const rclone = (args: readonly string[], input?: Buffer) =>
    execa('rclone', [...args, '--config', '/dev/null', '--retries', '1'], {
      cwd: node.folder,
      all: true,
      ...(input !== undefined && { input }),
      timeout: 60_000,
      env: {
        RCLONE_SFTP_HOST: '127.0.0.1',
        RCLONE_SFTP_PORT: String(node.port),
        RCLONE_SFTP_USER: 'alice',
        RCLONE_SFTP_KEY_FILE: node.keyFile,
        // No shell commands for checksums: there is no shell.
        RCLONE_SFTP_SHELL_TYPE: 'none',
      },
    });

  it('copies files of all sizes up and down, and finds them equal', async () => {
    const up = join(node.folder, 'up');
    mkdirSync(join(up, 'folder'), { recursive: true });
    for (const size of [0, 1, 4096, 32_768, 100_000, 1_000_003]) {
      writeFileSync(join(up, 'folder', String(size)), randomBytes(size));
    }
    writeFileSync(join(up, 'large'), randomBytes(50_000_000));
    await rclone(['copy', 'up', ':sftp:there']);
    await rclone(['check', 'up', ':sftp:there', '--download']);
    await rclone(['copy', ':sftp:there', 'down']);
    await execa('diff', ['-r', up, join(node.folder, 'down')]);
  });

  it('sends a file of unknown length, moves and removes', async () => {
    const sent = randomBytes(200_000);
    await rclone(['rcat', ':sftp:piped'], sent);
    await rclone(['moveto', ':sftp:piped', ':sftp:moved']);
    await rclone(['copyto', ':sftp:moved', 'moved']);
    assert.ok(readFileSync(join(node.folder, 'moved')).equals(sent));
    await rclone(['deletefile', ':sftp:moved']);
    const { all } = await rclone(['lsf', ':sftp:']);
    assert.equal(all, 'there/');
  });
});
