import type { Algorithms } from 'ssh2';

/** ssh2's own offer without the group exchange, which its server cannot do: a client that chose it got no further. */
export const algorithms: Algorithms = {
  kex: { append: [], prepend: [], remove: ['diffie-hellman-group-exchange-sha256'] },
};
