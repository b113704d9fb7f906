/**
 * The modes that are stored, of what clients ask for: not for groups and others to write, when it is new; and always for
 * the service account itself to read and write, since the doors read as that account (J2 would have the engine read what a
 * mode forbids them, which it does not do).
 */
export const storedMode = {
  newFile: (asked: number) => (asked & 0o755) | 0o600,
  newDirectory: (asked: number) => (asked & 0o755) | 0o700,
  file: (asked: number) => (asked & 0o777) | 0o600,
  directory: (asked: number) => (asked & 0o777) | 0o700,
} as const;
