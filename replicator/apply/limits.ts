/** As the kernel's NAME_MAX, in bytes. */
export const maxNameBytes = 255;
/** The target of a symbolic link, in bytes: PATH_MAX without its NUL. (XFS takes 1,023.) */
export const maxTargetBytes = 4095;
/** A path from the files root, in bytes: as replicator/tree/path.ts takes them. */
export const maxPathBytes = 65_536;
/** As ext4 has it; XFS and btrfs take more. One number for all hosts, since a record is applied on each of them. */
export const maxLinks = 65_000;
/** Largest file, in bytes: below that of ext4 with blocks of 4 KiB. One number for all hosts. */
export const maxFileBytes = 2 ** 43;
