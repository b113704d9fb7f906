import { connect, type Socket } from 'node:net';
import { decodeFromEngine } from '#contracts/engine/from-engine.ts';
import { maxAnswerFrameBytes } from '#contracts/engine/limits.ts';
import type { FromEngine, Request, ToEngine } from '#contracts/engine/message.ts';
import { encodeToEngine } from '#contracts/engine/to-engine.ts';
import { engineProtocol } from '#contracts/engine/version.ts';
import { FrameDecoder } from '#contracts/frames.ts';
import { until } from '../../until.ts';

export const hello: ToEngine = { kind: 'hello', versions: engineProtocol, epoch: 7, door: 'raw' };

export function bytesOf(...messages: ToEngine[]): Buffer {
  return Buffer.concat(messages.flatMap((message) => encodeToEngine(message)));
}

export function beginning(session: number, request = 1): ToEngine {
  const grant = { root: Buffer.from('alice'), makeRoot: null, mayChange: true, account: '' };
  return { kind: 'begin-session', session, request, grant };
}

export function opening(session: number, request: number, path: string): ToEngine {
  const none = { read: false, append: false, exclusive: false };
  const flags = { ...none, write: true, create: true, truncate: true };
  return { kind: 'open', session, request, path: Buffer.from(path), flags, mode: 0o644 };
}

/** A door that says what it likes. */
export class RawDoor {
  readonly socket: Socket;
  readonly heard: FromEngine[] = [];
  isClosed = false;

  constructor(path: string) {
    const frames = new FrameDecoder(maxAnswerFrameBytes);
    this.socket = connect(path);
    this.socket.on('data', (chunk) => {
      for (const frame of frames.push(chunk)) this.heard.push(decodeFromEngine(frame));
    });
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.isClosed = true;
    });
  }

  say(...messages: ToEngine[]): void {
    this.socket.write(bytesOf(...messages));
  }

  ask(session: number, request: number, what: Request): void {
    this.say({ session, request, ...what });
  }

  of<Kind extends FromEngine['kind']>(kind: Kind): Extract<FromEngine, { kind: Kind }>[] {
    return this.heard.filter((message) => message.kind === kind) as Extract<FromEngine, { kind: Kind }>[];
  }

  async hear<Kind extends FromEngine['kind']>(
    kind: Kind,
    count = 1,
  ): Promise<Extract<FromEngine, { kind: Kind }>> {
    await until(() => this.of(kind).length >= count || this.isClosed);
    const message = this.of(kind)[count - 1];
    if (message === undefined)
      throw new Error(`${kind} was not heard, but ${JSON.stringify(this.heard.at(-1))}`);
    return message;
  }

  /** @returns the code */
  async goodbye(): Promise<string> {
    const { code } = await this.hear('goodbye');
    await until(() => this.isClosed);
    return code;
  }

  /** Greets, begins session 1 and opens a file in it. @returns its handle */
  async open(path: string): Promise<number> {
    this.say(hello, beginning(1), opening(1, 2, path));
    return (await this.hear('opened')).handle;
  }
}
