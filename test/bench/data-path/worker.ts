/** The SFTP worker: ssh2 and the node's own packet stream; every change is asked of the engine. */
import { readFileSync, statSync } from 'node:fs';
import { connect, createServer, Socket } from 'node:net';
import { join } from 'node:path';
import ssh2, { type ServerChannel } from 'ssh2';
import { FieldReader, FieldWriter } from '../../../sftp-node/sftp/fields.ts';
import { PacketStream, type WritePiece } from '../../../sftp-node/sftp/packet-stream.ts';
import {
  maxDataBytes,
  maxOpenHandles,
  maxPacketBytes,
  packetType,
  statusCode,
} from '../../../sftp-node/sftp/protocol.ts';
import {
  attributesReply,
  extendedReply,
  handleReply,
  nameReply,
  okReply,
  statusReply,
  versionReply,
} from '../../../sftp-node/sftp/replies.ts';
import { DirectWrites } from './direct-writes.ts';
import { FrameCutter, frameKind, head } from './frames.ts';
import { optionsOfProcess } from './options.ts';

const { folder, root, engineSocket, port, worker, variant } = optionsOfProcess();
const { creditBytes } = variant;
const direct = variant.write === 'worker' ? new DirectWrites(root) : null;

/** What goes to the engine, and what waits for it. */
class Engine {
  readonly #socket = connect(engineSocket);
  readonly #cutter = new FrameCutter();
  #run: { handle: number; offset: number; length: number; pieces: Buffer[] } | null = null;
  #isScheduled = false;
  #sentBytes = 0;
  #acknowledgedBytes = 0;
  #requests = worker * 2 ** 32;
  #replies: { atBytes: number; reply: () => void }[] = [];
  readonly #asked = new Map<number, () => void>();
  readonly #paused = new Set<ServerChannel>();

  constructor() {
    this.#socket.on('data', (chunk) => {
      for (const frame of this.#cutter.push(chunk)) this.#receive(frame.kind, frame.number);
    });
  }

  write(handle: number, { offset, data, last }: WritePiece, channel: ServerChannel, reply: () => void): void {
    this.#sentBytes += data.length;
    direct?.write(handle, offset, data);
    const run = this.#run;
    if (
      run !== null &&
      run.handle === handle &&
      run.offset + run.length === offset &&
      run.length + data.length <= variant.frameBytes
    ) {
      run.length += data.length;
      run.pieces.push(data);
    } else {
      this.#flush();
      this.#run = { handle, offset, length: data.length, pieces: [data] };
    }
    if (last) this.#replies.push({ atBytes: this.#sentBytes, reply });
    if (this.#sentBytes - this.#acknowledgedBytes > creditBytes && !this.#paused.has(channel)) {
      this.#paused.add(channel);
      channel.pause();
    }
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#flush();
    });
  }

  ask(kind: number, handle: number, payload: Buffer, reply: () => void): void {
    this.#flush();
    this.#requests += 1;
    this.#asked.set(this.#requests, reply);
    this.#socket.write(Buffer.concat([head(kind, handle, this.#requests, payload.length), payload]));
  }

  #flush(): void {
    if (this.#run === null) return;
    const { handle, offset, length, pieces } = this.#run;
    this.#run = null;
    if (direct !== null) {
      const range = Buffer.alloc(8);
      range.writeDoubleBE(length);
      this.#socket.write(Buffer.concat([head(frameKind.write, handle, offset, 8), range]));
      return;
    }
    this.#socket.cork();
    this.#socket.write(head(frameKind.write, handle, offset, length));
    for (const piece of pieces) this.#socket.write(piece);
    this.#socket.uncork();
  }

  #receive(kind: number, number: number): void {
    if (kind === frameKind.done) {
      this.#asked.get(number)?.();
      this.#asked.delete(number);
      return;
    }
    this.#acknowledgedBytes = number;
    let settled = 0;
    for (const { atBytes, reply } of this.#replies) {
      if (atBytes > number) break;
      reply();
      settled += 1;
    }
    this.#replies = this.#replies.slice(settled);
    if (this.#sentBytes - number > creditBytes / 2) return;
    for (const channel of this.#paused) channel.resume();
    this.#paused.clear();
  }
}

const engine = new Engine();
let lastHandle = worker << 24;

function serve(channel: ServerChannel): void {
  const stream = new PacketStream();
  const handles = new Map<number, string>();
  let out: Buffer[] = [];
  const send = (reply: Buffer) => {
    if (out.length === 0) {
      queueMicrotask(() => {
        channel.write(Buffer.concat(out));
        out = [];
      });
    }
    out.push(reply);
  };
  channel.on('data', (chunk: Buffer) => {
    for (const item of stream.push(chunk)) {
      if (item.kind === 'write') {
        engine.write(item.handle.readUInt32BE(0), item, channel, () => send(okReply(item.id)));
      } else if (item.type === packetType.init) send(versionReply());
      else request(item.type, new FieldReader(item.body), handles, send);
    }
  });
  channel.on('end', () => {
    channel.exit(0);
    channel.end();
  });
  channel.on('error', () => {});
}

function request(
  type: number,
  fields: FieldReader,
  handles: Map<number, string>,
  send: (reply: Buffer) => void,
): void {
  const id = fields.u32();
  const pathOf = () => fields.path().toString().replace(/^\/+/, '');
  switch (type) {
    case packetType.realpath: {
      const name = Buffer.from(`/${pathOf().replace(/^\.$/, '')}`);
      send(nameReply(id, [{ name, longname: name, stats: null }]));
      return;
    }
    case packetType.open: {
      const path = pathOf();
      lastHandle += 1;
      const handle = lastHandle;
      const name = Buffer.alloc(4);
      name.writeUInt32BE(handle);
      engine.ask(frameKind.open, handle, Buffer.from(path), () => {
        handles.set(handle, path);
        direct?.open(handle, path);
        send(handleReply(id, name));
      });
      return;
    }
    case packetType.close: {
      const handle = fields.bytes().readUInt32BE(0);
      handles.delete(handle);
      direct?.close(handle);
      engine.ask(frameKind.close, handle, Buffer.alloc(0), () => send(okReply(id)));
      return;
    }
    case packetType.mkdir:
      engine.ask(frameKind.mkdir, 0, Buffer.from(pathOf()), () => send(okReply(id)));
      return;
    case packetType.lstat:
    case packetType.stat: {
      const stats = statSync(join(root, pathOf()), { throwIfNoEntry: false });
      send(stats === undefined ? statusReply(id, statusCode.noSuchFile, 'none') : attributesReply(id, stats));
      return;
    }
    case packetType.fstat:
      send(attributesReply(id, statSync(join(root, handles.get(fields.bytes().readUInt32BE(0)) ?? ''))));
      return;
    case packetType.extended: {
      if (fields.text() !== 'limits@openssh.com') break;
      const limits = new FieldWriter()
        .u64(maxPacketBytes)
        .u64(maxDataBytes)
        .u64(maxDataBytes)
        .u64(maxOpenHandles);
      send(extendedReply(id, limits.packet(0).subarray(5)));
      return;
    }
    case packetType.setstat:
    case packetType.fsetstat:
      send(okReply(id));
      return;
  }
  send(statusReply(id, statusCode.operationUnsupported, 'not in the prototype'));
}

const ssh = new ssh2.Server({ hostKeys: [readFileSync(join(folder, 'key'))] });
ssh.on('connection', (connection) => {
  connection.on('error', () => {});
  connection.on('authentication', (context) => context.accept());
  connection.on('session', (accept) => {
    const session = accept();
    session.on('subsystem', (acceptSubsystem) => serve(acceptSubsystem() as ServerChannel));
    session.on('env', (acceptEnv) => acceptEnv?.());
  });
});

/** Reads into one buffer: ssh2 copies or decrypts in place before the next read, see the decision record. */
function withReadBuffer(socket: Socket, bytes: number): Socket {
  const { _handle: handle } = socket as unknown as { _handle: object };
  const options = {
    handle,
    onread: {
      buffer: () => Buffer.allocUnsafeSlow(bytes),
      callback(length: number, buffer: Uint8Array): boolean {
        reading.emit('data', Buffer.from(buffer.buffer, 0, length));
        return true;
      },
    },
  };
  const reading: Socket = new Socket(options as unknown as ConstructorParameters<typeof Socket>[0]);
  return reading;
}

createServer({ noDelay: true, pauseOnConnect: variant.sshReadBytes !== null }, (socket) => {
  if (variant.sshReadBytes === null) ssh.injectSocket(socket);
  else {
    const reading = withReadBuffer(socket, variant.sshReadBytes);
    ssh.injectSocket(reading);
    reading.resume();
  }
}).listen(port, '127.0.0.1', () => process.stdout.write('ready\n'));
