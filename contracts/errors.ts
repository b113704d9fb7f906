/**
 * Every error an operator can meet has a stable code. The table is the single source: the log line, the CLI and
 * docs/errors.md (generated, compared by a test) read the same row.
 */
export const errorTable = {
  // configuration
  CONFIG_UNREADABLE: 'Check that the file exists and that the holdfast user may read it.',
  CONFIG_INVALID: 'Run `holdfast config check FILE` and mend each line it names.',
  USERS_UNREADABLE:
    'Put users.yaml back on the leader and give the holdfast user read access; the last good users stay in force.',
  USERS_INVALID: 'Mend the line named of users.yaml on the leader; the last good users stay in force.',
  USER_LEFT_OUT: 'Mend the line named of users.yaml on the leader; all other users are in force.',
  CONFIG_EDIT_UNDONE: 'Make the edit on the leader: it is on every host and in force a moment later.',
  // host keys and peer keys
  HOST_KEY_UNREADABLE:
    'Put the key back, owned by the holdfast user with mode 0600. To retire a key, remove it on every host, the leader first, from `host_keys/` and from `.last-good/host_keys/` in the config root.',
  HOST_KEY_PERMISSIONS: 'Run chmod 0600 on the key: others on this host could read it.',
  HOST_KEY_INVALID:
    'Restore the key on the leader, as from `.last-good/host_keys/` in the config root, whose keys stay in force.',
  // SSH
  SSH2_UNPATCHED: 'Run scripts/setup, which patches ssh2 and builds, and install again.',
  NO_COMMON_ALGORITHM: 'Have the partner allow one of the algorithms that the line says the server offers.',
  SHA1_REFUSED:
    'Have the partner sign with rsa-sha2-256 or rsa-sha2-512, or set `legacySha1: true` for that user in users.yaml.',
  // network
  INTERFACE_MISSING: 'Name an interface of this host in `vips[].interface` (see `ip link`).',
  VIP_IN_USE: 'Find the host with the MAC address named and take the address off it.',
  VIP_FAILED: 'Check the interface and that the service has CAP_NET_ADMIN.',
  VIP_COMMAND_UNUSABLE: 'Mend the file or its folder as named; `holdfast config check` looks at both.',
  VIP_COMMAND_FAILED:
    'Run the command by hand as the holdfast user, and see docs/virtual-ips.md for what it must do.',
  VIP_COMMAND_TIMEOUT:
    'Make the command quicker, or give it more time: a longer `timeout`, with a `lease.ttl` that it fits.',
  VIP_PROBE_FAILED:
    'Before an address is put on, the network is asked who has it: check that arping (IPv4) and ndisc6 (IPv6) run, and that the link is up.',
  ANNOUNCE_FAILED: 'Check that arping (IPv4) and ndptool (IPv6) are installed and the link is up.',
  COMMAND_MISSING: 'Install the Debian package named.',
  COMMAND_FAILED: 'See the output of the command.',
  COMMAND_TIMEOUT: 'The host is overloaded or the kernel does not answer: see its log.',
  COMMAND_STUCK:
    'The kernel holds them: see its log (`dmesg`), and start this host anew if it does not recover.',
  ORDER_OVERDUE: 'Something on this host hangs: see the log just before, the disks and the kernel log.',
  PORT_IN_USE: 'Stop the other program, or set another port in holdfast.yaml.',
  PORT_FORBIDDEN: 'Ports below 1024 need CAP_NET_BIND_SERVICE: start the service by its systemd unit.',
  // etcd
  ETCD_UNREACHABLE: 'Check the etcd members and the network to them; the supervisor goes on trying.',
  ETCD_MEMBER_DOWN: 'Start the etcd member named, or mend the way to it; the others go on meanwhile.',
  ETCD_NO_SPARE:
    'Bring the missing etcd member back soon; three members on three hosts are the fewest of which one may die.',
  ETCD_NO_MAJORITY: 'Bring etcd members back until more than half of them work: nobody can lead without.',
  ETCD_PERMISSION_DENIED:
    "Grant the user's role readwrite on the keys of the cluster: `etcdctl role grant-permission ROLE readwrite /holdfast/CLUSTER/ --prefix`.",
  ETCD_AUTH_FAILED:
    'Mend `etcd.username` and `etcd.passwordFile`, or the user of etcd; leave both out where etcd asks for no user.',
  ETCD_NO_SPACE:
    'Nobody can take over: make room with `etcdctl compact` and `etcdctl defrag` on each member, then `etcdctl alarm disarm`.',
  ETCD_OVERLOADED: 'See what keeps the etcd member named busy: its disk, its network, who else uses it.',
  ETCD_REQUEST_REFUSED:
    "See etcd's limits on requests (--max-request-bytes, --max-txn-ops); with its defaults this is a defect in Holdfast.",
  ETCD_STATUS_FORBIDDEN:
    'Let the user read it (`etcdctl user grant-role USER root`), use a release of etcd that does not ask for that, or watch the space of that member by other means.',
  ETCD_TLS_UNUSABLE: 'Mend the files named under `etcd.tls`: they are read again when they change.',
  ETCD_PASSWORD_UNREADABLE: 'Give the holdfast user read access to `etcd.passwordFile`, mode 0600.',
  ETCD_SPACE_LOW:
    'Let the members compact by themselves (--auto-compaction-mode periodic --auto-compaction-retention 1h), then run `etcdctl defrag` on each; or raise --quota-backend-bytes.',
  ETCD_ALARM:
    'Nobody can take over: make room with `etcdctl compact` and `etcdctl defrag` on each member, then `etcdctl alarm disarm`.',
  ETCD_TTL_REFUSED: 'Give etcd a shorter election timeout, or set a longer lease.ttl.',
  ETCD_VALUE_INVALID:
    'Somebody else wrote to the key named: `holdfast etcd mend` shows it, and takes it out of the way.',
  FORMAT_UNKNOWN: 'Install the release that the other hosts run, or a newer one.',
  ETCD_WENT_BACK:
    'See what each host holds and go on with `holdfast accept-etcd`, or give etcd its newer data back.',
  LEASE_LOST: 'The lease ended before it was renewed: see the etcd members and the network to them.',
  // processes
  SFTP_NODE_FAILED: 'See the log lines of the sftp-node just before.',
  SFTP_NODE_EXITED: 'See the log lines of the sftp-node just before.',
  SFTP_NODE_TIMEOUT:
    'The sftp-node did not become ready in time: the host is overloaded or its disk is slow.',
  SUPERVISOR_RUNNING:
    'A host has one supervisor: see `systemctl status holdfast`, and stop it first (`systemctl stop holdfast`) if it is not wanted.',
  REPLICATOR_FAILED: 'See the log lines of the replicator just before.',
  // roots
  ROOT_UNUSABLE: 'Create the directory and give it to the holdfast user.',
  ROOT_EMPTY:
    'Mount or restore what belongs there and restart the service. Or start the other hosts: this one follows and comes back by itself; if it alone is left, `holdfast failover --force` goes on with what it has.',
  ROOT_FOREIGN:
    'Mount the disk that belongs there and restart the service. Or start the other hosts: this one compares everything with the leader and comes back by itself.',
  ROOT_BEHIND:
    'It was restored from an older copy. Start the other hosts: this one compares everything with the leader and comes back by itself.',
  DISK_LOW: 'Free space on the file system named.',
  // the operation log
  LOG_DAMAGED:
    'The disk lost or changed what was on it: see the kernel log and the disk. Start the other hosts: this one compares everything with the leader and comes back by itself.',
  FLUSH_FAILED:
    'The disk did not take what was written: see the log of the kernel and the health of the disk. A standby fetches the files anew by itself; a leader hands over first.',
  LOG_FLUSH_FAILED:
    'The disk did not take what was written: see the kernel log (`dmesg`) and replace the disk if it fails. This host hands over and comes back with a new log.',
  LOG_DISK_FULL: 'Free space on the file system of the state folder: files can be changed again then.',
  LOG_UNWRITABLE: 'See the kernel log and the file system of the state folder: is it mounted read-only?',
  LOG_NO_LONGER_REACHES: 'Nothing to do: the host that asks compares everything with the leader.',
  // replication
  PEER_REFUSED: 'The peer key is not the one in etcd: see `holdfast status` on both hosts.',
  PEER_PROTOCOL:
    'Both hosts must run releases of Holdfast whose replication protocols have a version in common: `holdfast doctor --cluster` tells the releases.',
  HISTORY_DIFFERS:
    'Two hosts have different records at the same place of the log: a disk changed what was on it, or a host was restored from an image. Find out which by their kernel logs; give the host that is wrong an empty state folder, and it compares everything with the leader.',
  ENGINE_SILENT:
    'Its disk stands still, or the process was stopped: see the kernel log of that host. Another host takes over if one is fit.',
  STANDBY_WENT_BACK:
    'A standby lost records that it had acknowledged: its disk lost what was flushed, or it was restored from an image. It leaves the in-sync set and fetches what it lacks; look at the disk of that host.',
  EPOCH_STALE: 'A newer leader exists; this host steps back by itself.',
  REPLICATION_STOPPED: 'Writes wait until the replicator is back.',
  RESYNC_REMOVES_MUCH:
    'Find out why the leader lacks these files: was its data folder emptied? If they may go, run `holdfast replication accept-removal` on that host; they are moved to quarantine.',
  NO_REMOVAL: 'Nothing to do: no comparison of this host waits.',
  QUARANTINE_UNKNOWN: 'See `holdfast replication quarantine list` on that host: it may be discarded by now.',
  QUARANTINE_AMBIGUOUS: 'Give more of the id.',
  QUARANTINE_ELSEWHERE: 'Run the command on the host named: each host answers for itself.',
  QUARANTINE_FAILED:
    'See the disk under `paths.data` and the log of the replicator; it is tried again by itself.',
  QUARANTINE_DROPPED:
    'It was beyond the bounds, or the disk was about to be full: see docs/quarantine.md, and `replication.quarantine` in holdfast.yaml.',
  RESTORE_REFUSED: 'Name another folder, or move away what is there: nothing is overwritten.',
  RESTORE_FAILED: 'Mend what is named and do it again: nothing of what was begun is left.',
  CONFIG_KEPT:
    'The leader lacks the file: put it back there. Users and host keys are never removed because a file is missing; a users.yaml with `users: []` removes all users.',
  CONFIG_TOO_LARGE: 'Only configuration, keys and users belong into the config root.',
  // why a host does not lead, or leads no more
  LEADERSHIP_LOST:
    'Nothing to do: another host leads. If this repeats, see `holdfast status` and the etcd members.',
  HAND_OVER_TIMEOUT:
    'The service moved all the same, by stepping down: see what was slow in the log just before.',
  STOPPING: 'The service was told to stop: start it to have this host back.',
  SETTINGS_DIFFER:
    'Make holdfast.yaml of that host say what the others have, and restart it; to change a setting on all hosts see docs/changing-settings.md.',
  NO_FAILOVER: 'Remove node.noFailover from holdfast.yaml if this host may lead.',
  NO_LEASE: 'Check the etcd members and the network to them.',
  REPLICATOR_SILENT:
    'Its disk may stand still: see `holdfast status` and the log of the replicator; then ask again.',
  REPLICATOR_DOWN: 'It is started again by itself; see the log lines of the replicator.',
  VIP_UNKNOWN: 'It is looked up again by itself; check that `ip` works on this host.',
  CLUSTER_UNKNOWN: 'Check the etcd members and the network to them.',
  NOT_IN_SYNC:
    'Wait until it has caught up with the leader; bring back a host of the in-sync set if nobody leads.',
  IN_SYNC_MISSING:
    'A living leader writes it again by itself. When nobody leads: bring back the host that led last, or see what each host lacks with `holdfast failover --force --dry-run`.',
  BACKOFF: 'Mend what the last promotion failed at; it is tried again by itself.',
  PROMOTIONS_FAILED:
    'Mend what the promotions failed at, then run `holdfast clear` on that host; see `holdfast history`.',
  SFTP_NODE_SILENT: 'It is killed and started again by itself; see the log and the disk.',
  CLIENTS_NOT_TAKEN:
    'The process is short of file descriptors or memory: see the log of the sftp-node, and LimitNOFILE.',
  CONNECTIONS_DROPPED:
    'Nothing to do, unless the sources are yours: then raise `sftp.maxStartups` or `sftp.perSourceMaxStartups`.',
  PROCESS_LATE:
    'The host is overloaded, was suspended, or its disk stands still at times: see its kernel log.',
  SFTP_NODE_STUCK:
    'See the disk under `paths.data` and the kernel log: not even SIGKILL ends who waits for it.',
  LINK_DOWN: 'Check cable, switch port and bond of the interface named.',
  CERTIFICATE_ENDED: 'Renew it: etcd refuses who shows it. Files that change are read again.',
  CERTIFICATE_ENDS: 'Renew it in time; files that change are read again.',
  ETCD_TOO_OLD: 'Use a newer etcd where hosts may freeze: etcd-io/etcd#15247.',
  NO_SUCCESSOR: 'Bring another host up and in sync: see `holdfast why` for what each one lacks.',
  HOST_AWAY: 'Start Holdfast on that host, or mend its way to etcd.',
  CLOCK_DIFFERS: 'Have every host set its clock from the network: see `timedatectl` on both.',
  QUARANTINED:
    'See `holdfast replication quarantine list` on that host. Restore what is wanted and upload it, then discard the rest.',
  RELEASE_DIFFERS: 'Restart the service: on the leader `holdfast switchover` first.',
  SECRET_READABLE: 'Run chmod 0600 on it, or put it back.',
  WATCHDOG_UNUSABLE: 'See docs/watchdog.md, or set `watchdog.mode`.',
  CHECK_PENDING: 'It is looked at in a moment; if this stays, see the log of the supervisor.',
  CHECK_OVERDUE: 'What is named does not answer: see its disk or file server, and the kernel log.',
  CHECK_FAILED: 'See what stands in the way, as named.',
  MEMORY_LOW: 'Find what uses the memory of this host.',
  // switchover and failover by an operator; causes in the history
  FIRST_START: 'Nothing to do: the cluster is new.',
  LEASE_EXPIRED: 'See what happened to the host that led before: its log, its network, its etcd member.',
  SUPERVISOR_FROZEN: 'See what stopped or starved the host: suspended machines, overload, a debugger.',
  ETCD_CUT_OFF: 'See the network between that host and the etcd members.',
  SUPERVISOR_DIED: 'See its log just before: `journalctl -u holdfast` on that host.',
  HOST_DIED: 'See why the host was started again: its power, its kernel, its console.',
  DRILL: 'Nothing to do: an operator rehearsed a failure.',
  FAILOVER: 'Nothing to do: an operator asked for it.',
  SWITCHOVER: 'Nothing to do: an operator asked for it (see `holdfast history`).',
  TAKEN_OVER: 'Nothing to do: the failover was done.',
  TARGET_UNKNOWN: 'Name a host of this cluster: see `holdfast status`.',
  TARGET_AWAY: 'Start Holdfast on that host, or name another one.',
  TARGET_INELIGIBLE: 'See `holdfast why` for what that host lacks, or name another one.',
  NO_CANDIDATE: 'See `holdfast why` for what each host lacks.',
  ALREADY_LEADING: 'Nothing to do, or name another host.',
  HAND_OFF_INCOMPLETE: 'The host goes on serving: see the replicator of the target, then try again.',
  OPERATION_CANCELLED: 'Nothing to do: somebody called it off.',
  OPERATION_INTERRUPTED: 'See who leads now (`holdfast status`) and ask again if it is still wanted.',
  OPERATION_MISSED: 'Ask again: there was no leader at the time.',
  OPERATION_RUNNING: 'Wait for it (`holdfast operation show`), or call it off (`holdfast operation cancel`).',
  CHANGED_MEANWHILE: 'Look again (`holdfast status`), and ask again if it is still wanted.',
  OPERATION_TOO_LATE:
    'It is past the point of no return and ends in a moment: see `holdfast operation show`.',
  NO_OPERATION: 'Nothing to do.',
  NOT_LEADING:
    'Nobody leads: see `holdfast why`, and `holdfast failover` if no host may take over by itself.',
  LEADER_PRESENT: 'Use `holdfast switchover` to move the service.',
  REQUEST_INVALID: 'See `holdfast --help`.',
  NOT_RESTORED: 'Nothing to do: etcd did not go back.',
  ALREADY_PAUSED: 'Nothing to do; `holdfast resume` ends the pause.',
  NOT_PAUSED: 'Nothing to do.',
  PAUSED: 'Run `holdfast resume` when the maintenance is over.',
  // control
  CONTROL_UNREACHABLE: 'Is the service running, and are you root or in the group holdfast?',
  RECORDING_INVALID: 'Name a decisions-*.json that a supervisor of this release wrote.',
  INTERNAL: 'This is a defect in Holdfast: please report it with the log.',
} as const satisfies Record<string, string>;

export type ErrorCode = keyof typeof errorTable;

/** An operating error: something in the world is wrong, and a person may have to act. */
export class HoldfastError extends Error {
  readonly code: ErrorCode;

  /**
   * @param code the row of the table
   * @param what what is wrong and where, one sentence with the names an operator knows
   */
  constructor(code: ErrorCode, what: string, options?: { cause?: unknown }) {
    super(what, options);
    this.name = 'HoldfastError';
    this.code = code;
  }

  /** What to do about it. */
  get advice(): string {
    return errorTable[this.code];
  }
}

/** The code of an error of any kind: ours, Node's (`EADDRINUSE`), or `INTERNAL`. */
export function codeOf(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string') {
    return error.code;
  }
  return 'INTERNAL';
}

/** The sentence of an error of any kind. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
