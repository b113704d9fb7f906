/**
 * node dialer-main.ts ADDRESS PORT
 *
 * Connects from the network namespace in which it runs, and hands the sockets to its parent over the IPC channel: for
 * each number it is sent, `{ number }` and the socket, or `{ number, error }`.
 */
import { connect } from 'node:net';

const [host = '', port = ''] = process.argv.slice(2);
const patienceMs = 1500;

process.on('message', (number: number) => {
  const socket = connect({ host, port: Number(port) });
  socket.setTimeout(patienceMs, () => socket.destroy(new Error('connecting took too long')));
  socket.once('error', (error) => process.send?.({ number, error: error.message }));
  socket.once('connect', () => {
    socket.setTimeout(0);
    socket.removeAllListeners();
    socket.setNoDelay(true);
    process.send?.({ number }, socket);
  });
});
process.on('disconnect', () => process.exit(0));
