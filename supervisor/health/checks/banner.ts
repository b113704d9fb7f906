import { connect } from 'node:net';

/**
 * Whether the SFTP node answers: connects as a client does and waits for the SSH identification string. A process
 * that is stopped, or stuck in a disk call, accepts in the kernel but says nothing.
 */
export function answersWithBanner(listenAddress: string, port: number, timeoutMs: number): Promise<boolean> {
  const host = listenAddress === '::' ? '::1' : listenAddress === '0.0.0.0' ? '127.0.0.1' : listenAddress;
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const end = (answers: boolean) => {
      socket.destroy();
      resolve(answers);
    };
    socket.setTimeout(timeoutMs, () => end(false));
    socket.once('data', (data) => end(data.subarray(0, 4).toString('latin1') === 'SSH-'));
    socket.once('error', () => end(false));
    socket.once('close', () => end(false));
  });
}
