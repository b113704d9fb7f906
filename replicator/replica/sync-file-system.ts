import { execa } from 'execa';

/**
 * Everything that was written to the file system of this folder is on its disk when this resolves: syncfs(2), which Node
 * does not have.
 */
export async function syncFileSystem(folder: string, signal?: AbortSignal): Promise<void> {
  const options = signal === undefined ? {} : { cancelSignal: signal };
  await execa('/bin/sync', ['--file-system', '--', folder], { stdin: 'ignore', ...options });
}
