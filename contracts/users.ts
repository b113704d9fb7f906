import * as z from 'zod';

/**
 * `users.yaml` in the config root: the virtual users. It is replicated and equal on all hosts (G4); edit it on the
 * leader.
 *
 *     users:
 *       - name: alice
 *         publicKeys:
 *           - ssh-ed25519 AAAA... alice@laptop
 *       - name: bob
 *         passwordHash: $argon2id$v=19$...     # from `holdfast password`
 *         home: partners/bob                   # below the files root; the user's name when left out
 */
const relativePathSchema = z
  .string()
  .min(1)
  .max(1024)
  .refine(
    (path) =>
      !path.startsWith('/') && path.split('/').every((part) => part !== '' && part !== '.' && part !== '..'),
    {
      message: 'a relative path without "." or ".." parts',
    },
  );

const argon2idPattern = /^\$argon2id\$(v=\d+\$)?[a-z]+=[^$]+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+$/;

export const userSchema = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9._@-]{0,127}$/, 'letters, digits and . _ @ -, at most 128'),
  /** OpenSSH one-line public keys. */
  publicKeys: z.array(z.string().max(16_384)).max(64).default([]),
  /** Argon2id in PHC form. */
  passwordHash: z
    .string()
    .max(512)
    .regex(argon2idPattern, 'an argon2id hash made by `holdfast password`')
    .optional(),
  home: relativePathSchema.optional(),
  disabled: z.boolean().default(false),
});
export type User = z.infer<typeof userSchema>;

/** The file around the users: they are judged one by one, so that a mistake in one concerns nobody else. */
export const usersFileSchema = z.strictObject({ users: z.array(z.unknown()).max(100_000).default([]) });
