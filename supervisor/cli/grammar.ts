/**
 * What all commands have in common, and those that are decided and not there yet: a new command takes its words from
 * here, and its row then goes. docs/commands.md has them; why, docs/decisions/2026-11-26-commands.md.
 */
export const rules: readonly string[] = [
  'A verb alone acts on the service as a whole: `switchover`, `failover`, `pause`, `resume`, `clear`, `accept-etcd`.',
  'A question alone tells of it and changes nothing: `status`, `why`, `doctor`, `history`, `audit`.',
  'What there are several of, or what has parts, is a noun with verbs: `operation show`, `config check`, `user add NAME`.',
  'One verb means one thing with every noun: `list` (all, a row each), `show` (one, in full), `add`, `set` (changes what is there), `remove`, `disable` and `enable`, `import`, `rotate`, `check` and `diff` (change nothing).',
  'What a command is about is an argument: `why HOST`, `user show NAME`. Everything else is an option with a name.',
  'The same option is called the same everywhere: `-c, --config`, `--json`, `--dry-run`, `-y, --yes`, `--yes-lose-data` (also where data may be lost), `--to HOST`, `--reason`, `-n, --last`, `-w, --watch`, `--no-wait`.',
  'What cannot be taken back asks first, and shows what it would do. Without a terminal it is refused, unless `--yes` is given; what may lose data asks for the name of the cluster and takes `--yes-lose-data` alone.',
  'A secret comes on standard input, never as an argument.',
  'A name once given goes on working.',
];

/** `HOST` is an argument, `a|b` is one of them, `[--x]` may be left out. */
export const plannedCommands: readonly (readonly [usage: string, purpose: string])[] = [
  ['replication snapshot', 'a consistent copy of what this host holds'],
  ['replication adopt', 'take what lies in the data folder of this host as the files of the cluster'],
  ['config history', 'the generations of the replicated configuration: who, when, what'],
  ['config diff [GENERATION]', 'what changed from one to the next'],
  ['config rollback GENERATION', 'make an earlier one the newest'],
  ['user list', 'every user, a row each'],
  ['user show NAME', 'one user: keys by fingerprint, home, rights'],
  ['user add NAME', 'a new user'],
  ['user set NAME', 'change home, rights or limits'],
  ['user passwd NAME', 'a new password, from standard input'],
  ['user key add NAME', 'one more public key, from standard input'],
  ['user key remove NAME FINGERPRINT', 'one less'],
  ['user disable NAME', 'shut out, with nothing removed; sessions end'],
  ['user enable NAME', 'let in again'],
  ['user remove NAME', 'remove the user; the files stay'],
  ['bans list', 'addresses that are shut out: since when, why, until when'],
  ['bans add ADDRESS', 'shut one out'],
  ['bans remove ADDRESS', 'let it in again'],
  ['hostkey import FILE', 'take the host key of a server that this cluster replaces'],
  ['hostkey show', 'fingerprints and known_hosts lines'],
  ['hostkey rotate', 'a new host key beside the old one, announced to clients, then in its place'],
  ['peer rotate-key', 'a new key by which this host proves itself to the others'],
  ['reinit HOST', 'forget what a host holds, and have it copy everything anew'],
  ['audit', 'who did what to which file'],
];
