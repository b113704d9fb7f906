/** Debian's sshd as a peer in a measurement: one key of a client, logged in as root, and sftp alone. */
export function sshdConfig(options: {
  readonly listenAddress: string;
  readonly port: number;
  readonly hostKey: string;
  readonly authorizedKeys: string;
}): string {
  const { listenAddress, port, hostKey, authorizedKeys } = options;
  return [
    `ListenAddress ${listenAddress}`,
    `Port ${port}`,
    `HostKey ${hostKey}`,
    'PidFile none',
    `AuthorizedKeysFile ${authorizedKeys}`,
    'PermitRootLogin prohibit-password',
    'StrictModes no',
    'UsePAM no',
    'MaxStartups 500',
    'Subsystem sftp internal-sftp',
  ].join('\n');
}
