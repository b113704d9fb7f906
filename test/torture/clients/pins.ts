/** How the names begin that a client makes and removes to have something acknowledged. */
const prefix = '.pin-';

/**
 * Folders that are made and removed again at once: barriers that change nothing. When the connection is lost in between,
 * one stays behind, and goes wherever the folder that it is in is renamed to. The server then rightly refuses to remove
 * that folder, so a client removes what is left of its pins before it goes on.
 */
export class Pins {
  /** Those whose removal was acknowledged. Each name is used once. */
  readonly #removed = new Set<string>();

  static isPin(name: string): boolean {
    return name.startsWith(prefix);
  }

  /** A path for a new one, from where the folder's is from. */
  next(folder: string): string {
    const name = `${prefix}${process.hrtime.bigint()}`;
    return folder === '' ? name : `${folder}/${name}`;
  }

  /** Its removal was acknowledged: it must not be seen again. */
  removed(path: string): void {
    this.#removed.add(nameOf(path));
  }

  wasRemoved(path: string): boolean {
    return this.#removed.has(nameOf(path));
  }
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
