import type { Socket } from 'node:net';
import { encodeFromEngine } from '#contracts/engine/from-engine.ts';
import type { FromEngine } from '#contracts/engine/message.ts';
import { afterFullPoll } from '#contracts/lateness.ts';

/** What may wait for a door that does not read; then it is not read from either. */
const maxWaitingBytes = 1024 * 1024;

/** A session whose `acknowledged` is to be told. */
export interface Acknowledger {
  readonly id: number;
  readonly settledBytes: number;
}

/**
 * What goes to a door: all of one turn in one write, the acknowledgements of WRITEs as one for each session. A success
 * leaves only while the gate is open (H2).
 */
export class Outgoing {
  readonly #socket: Socket;
  readonly #gate: { readonly mayAcknowledge: boolean };
  readonly #onGateShut: () => void;
  readonly #onRoom: () => void;
  readonly #acknowledgers = new Set<Acknowledger>();
  #frames: Buffer[] = [];
  #acknowledges = false;
  #isScheduled = false;
  #isInTurn = false;
  #isInDoubt = false;

  /** @param onGateShut instead of a success: the connection must end, since its door would wait in vain */
  constructor(parts: {
    readonly socket: Socket;
    readonly gate: { readonly mayAcknowledge: boolean };
    readonly onGateShut: () => void;
    readonly onRoom: () => void;
  }) {
    this.#socket = parts.socket;
    this.#gate = parts.gate;
    this.#onGateShut = parts.onGateShut;
    this.#onRoom = parts.onRoom;
    this.#socket.on('drain', () => this.#onRoom());
  }

  get isFull(): boolean {
    return this.#socket.writableLength > maxWaitingBytes;
  }

  /** Leaves with the turn, or soon. */
  send(message: FromEngine, { acknowledges }: { readonly acknowledges: boolean }): void {
    this.#frames.push(encodeFromEngine(message));
    this.#acknowledges ||= acknowledges;
    this.#flushSoon();
  }

  acknowledge(session: Acknowledger): void {
    this.#acknowledgers.add(session);
    this.#flushSoon();
  }

  /** Collects what is sent meanwhile. */
  turn(run: () => void): void {
    this.#isInTurn = true;
    try {
      run();
    } finally {
      this.#isInTurn = false;
      this.flush();
    }
  }

  flush(): void {
    if (this.#isInDoubt || (this.#frames.length === 0 && this.#acknowledgers.size === 0)) return;
    const acknowledges = this.#acknowledges || this.#acknowledgers.size > 0;
    if (!acknowledges || this.#gate.mayAcknowledge) this.#write();
    else this.#doubt();
  }

  /** The permit may lie unread in a process that stood still: ending the connection waits for that. */
  #doubt(): void {
    this.#isInDoubt = true;
    afterFullPoll(() => {
      this.#isInDoubt = false;
      if (this.#gate.mayAcknowledge) this.#write();
      else this.#onGateShut();
    });
  }

  #write(): void {
    for (const session of this.#acknowledgers) {
      const { id, settledBytes } = session;
      this.#frames.push(encodeFromEngine({ kind: 'acknowledged', session: id, bytes: settledBytes }));
    }
    const frames = this.#frames;
    this.#acknowledgers.clear();
    this.#frames = [];
    this.#acknowledges = false;
    const [only] = frames;
    if (this.#socket.writable) {
      this.#socket.write(frames.length === 1 && only !== undefined ? only : Buffer.concat(frames));
    }
  }

  #flushSoon(): void {
    if (this.#isInTurn || this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.flush();
    });
  }
}
