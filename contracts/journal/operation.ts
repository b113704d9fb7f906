/**
 * One change of the file tree, in the order in which the SFTP node made it. Paths are bytes, relative to the files
 * root, without a leading slash: SFTP names are not always UTF-8. Writes name an open handle rather than a path,
 * so they stay true when the file is renamed or removed while it is open.
 */
export type Operation =
  | {
      readonly kind: 'open';
      readonly handle: number;
      readonly path: Buffer;
      readonly flags: OpenFlags;
      readonly mode: number;
    }
  | { readonly kind: 'write'; readonly handle: number; readonly offset: number; readonly data: Buffer }
  | { readonly kind: 'set-handle-attributes'; readonly handle: number; readonly attributes: Attributes }
  | { readonly kind: 'close'; readonly handle: number }
  | { readonly kind: 'sync'; readonly handle: number }
  | { readonly kind: 'set-attributes'; readonly path: Buffer; readonly attributes: Attributes }
  | { readonly kind: 'rename'; readonly from: Buffer; readonly to: Buffer }
  | { readonly kind: 'remove'; readonly path: Buffer }
  | { readonly kind: 'mkdir'; readonly path: Buffer; readonly mode: number }
  | { readonly kind: 'rmdir'; readonly path: Buffer }
  | { readonly kind: 'symlink'; readonly path: Buffer; readonly target: Buffer }
  | { readonly kind: 'link'; readonly existing: Buffer; readonly path: Buffer }
  /** Changes nothing; everything before it must be durable where it is acknowledged. */
  | { readonly kind: 'barrier' };

export type OperationKind = Operation['kind'];

export interface OpenFlags {
  readonly create: boolean;
  readonly exclusive: boolean;
  readonly truncate: boolean;
}

/** Absent fields stay as they are. Times are seconds since 1970; `size` truncates or extends. */
export interface Attributes {
  readonly size?: number;
  readonly mode?: number;
  readonly accessedAt?: number;
  readonly modifiedAt?: number;
}
