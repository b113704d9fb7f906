import { constants } from 'node:fs';
import { access, statfs } from 'node:fs/promises';
import type { HealthFact } from '../../runtime/ports.ts';

/** Whether a folder of ours can be used, and has room. */
export async function rootFact(name: string, path: string, minFreeMiB: number): Promise<HealthFact> {
  const bad = (code: string, detail: string): HealthFact => ({ name, level: 'bad', code, detail });
  try {
    await access(path, constants.R_OK | constants.W_OK | constants.X_OK);
    const { bavail, bsize, ffree, files } = await statfs(path);
    const freeMiB = Math.floor((bavail * bsize) / 2 ** 20);
    if (freeMiB < minFreeMiB) {
      return bad('DISK_LOW', `${path} has ${freeMiB} MiB free of the ${minFreeMiB} needed`);
    }
    // Some file systems make inodes as needed and report none.
    if (files > 0 && ffree < 100) return bad('DISK_LOW', `${path} has ${ffree} inodes free`);
    return { name, level: 'ok', code: '', detail: `${freeMiB} MiB free` };
  } catch (error) {
    return bad('ROOT_UNUSABLE', `${path} cannot be used: ${String(error)}`);
  }
}
