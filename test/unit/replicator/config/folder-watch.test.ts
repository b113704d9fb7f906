import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { FolderWatch } from '../../../../replicator/config/folder-watch.ts';

it('a folder watch tells of a file that was replaced before, and of a folder that was made anew', {
  timeout: 10_000,
}, async (test) => {
  const root = mkdtempSync(join(tmpdir(), 'holdfast-watch-'));
  mkdirSync(join(root, 'host_keys'));
  let told = Promise.withResolvers<void>();
  const watch = new FolderWatch(root, ['host_keys'], () => told.resolve());
  // The watch lets the process end, and this test must not end for want of anything to do.
  const alive = setInterval(() => watch.renew(), 1000);
  test.after(() => {
    clearInterval(alive);
    rmSync(root, { recursive: true });
  });
  const change = async (how: () => void) => {
    told = Promise.withResolvers<void>();
    how();
    await told.promise;
    // What belongs to this change is not to be taken for the next one's.
    await new Promise((resolve) => setTimeout(resolve, 20));
  };
  const file = join(root, 'users.yaml');
  await change(() => {
    writeFileSync(`${file}.new`, 'one');
    renameSync(`${file}.new`, file);
  });
  await change(() => writeFileSync(file, 'two'));
  await change(() => {
    rmSync(join(root, 'host_keys'), { recursive: true });
    mkdirSync(join(root, 'host_keys'));
  });
  await change(() => writeFileSync(join(root, 'host_keys/key'), 'three'));
});
