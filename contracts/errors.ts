/**
 * Every error an operator can meet has a stable code. The table is the single source: the log line, the CLI and
 * docs/errors.md (generated, compared by a test) read the same row.
 */
export const errorTable = {
  // configuration
  CONFIG_UNREADABLE: 'Check that the file exists and that the holdfast user may read it.',
  CONFIG_INVALID: 'Run `holdfast config check FILE` and mend each line it names.',
  USERS_UNREADABLE: 'Give the holdfast user read access to users.yaml; the users read last stay in force.',
  USERS_INVALID: 'Mend users.yaml on the leader; the users read last stay in force.',
  // host keys and peer keys
  HOST_KEY_UNREADABLE: 'Host keys belong to the holdfast user with mode 0600.',
  HOST_KEY_PERMISSIONS: 'Run chmod 0600 on the key: others on this host could read it.',
  HOST_KEY_INVALID:
    'Restore the key from another host, or remove the file on the leader to have a new one made.',
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
  ETCD_TLS_UNUSABLE: 'Mend the files named under `etcd.tls`: they are read again when they change.',
  ETCD_PASSWORD_UNREADABLE: 'Give the holdfast user read access to `etcd.passwordFile`, mode 0600.',
  ETCD_SPACE_LOW:
    'Let the members compact by themselves (--auto-compaction-mode periodic --auto-compaction-retention 1h), then run `etcdctl defrag` on each; or raise --quota-backend-bytes.',
  ETCD_ALARM:
    'Nobody can take over: make room with `etcdctl compact` and `etcdctl defrag` on each member, then `etcdctl alarm disarm`.',
  ETCD_TTL_REFUSED: 'Give etcd a shorter election timeout, or set a longer lease.ttl.',
  ETCD_VALUE_INVALID: 'Somebody else wrote to the key named: restore or delete it.',
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
  DISK_LOW: 'Free space on the file system named.',
  // replication
  PEER_REFUSED: 'The peer key is not the one in etcd: see `holdfast status` on both hosts.',
  PEER_PROTOCOL: 'Both hosts must run releases of Holdfast that speak the same replication protocol.',
  EPOCH_STALE: 'A newer leader exists; this host steps back by itself.',
  REPLICATION_STOPPED: 'Writes wait until the replicator is back.',
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
  REPLICATOR_DOWN: 'It is started again by itself; see the log lines of the replicator.',
  VIP_UNKNOWN: 'It is looked up again by itself; check that `ip` works on this host.',
  CLUSTER_UNKNOWN: 'Check the etcd members and the network to them.',
  NOT_IN_SYNC:
    'Wait until it has caught up with the leader; bring back a host of the in-sync set if nobody leads.',
  BACKOFF: 'Mend what the last promotion failed at; it is tried again by itself.',
  PROMOTIONS_FAILED:
    'Mend what the promotions failed at, then run `holdfast clear` on that host; see `holdfast history`.',
  SFTP_NODE_SILENT: 'It is killed and started again by itself; see the log and the disk.',
  SFTP_NODE_STUCK:
    'See the disk under `paths.data` and the kernel log: not even SIGKILL ends who waits for it.',
  LINK_DOWN: 'Check cable, switch port and bond of the interface named.',
  CERTIFICATE_ENDED: 'Renew it: etcd refuses who shows it. Files that change are read again.',
  CERTIFICATE_ENDS: 'Renew it in time; files that change are read again.',
  ETCD_TOO_OLD: 'Use a newer etcd where hosts may freeze: etcd-io/etcd#15247.',
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
