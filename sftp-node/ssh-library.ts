import ssh2 from 'ssh2';
import { HoldfastError } from '#contracts/errors.ts';

/** The `holdfastPatch` that patches/ssh2@1.17.0.patch adds to the package. */
const patch = 1;

/**
 * ssh2 as npm has it announces RSA signatures wrongly and takes SHA-1 for the good ones: nothing is served with it.
 * @throws HoldfastError SSH2_UNPATCHED
 */
export function requirePatchedSsh2(library: object = ssh2): void {
  const found = 'holdfastPatch' in library ? library.holdfastPatch : undefined;
  if (found === patch) return;
  throw new HoldfastError(
    'SSH2_UNPATCHED',
    `the package ssh2 carries ${found === undefined ? 'no patch of ours' : `patch ${String(found)}`}, and patch ${patch} is needed`,
  );
}
