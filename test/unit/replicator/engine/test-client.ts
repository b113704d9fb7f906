/** A door's session in memory: turns of requests, and what became of each. */
import type { Grant, Request } from '#contracts/engine/message.ts';
import type { ClientSession, Engine, Outcome } from '../../../../replicator/clients/ports.ts';

export class TestClient implements ClientSession {
  readonly door = 'test';
  readonly grant: Grant;
  readonly #engine: Engine;
  isPaused = false;
  /** Turns whose memory is retained. */
  retained = 0;

  constructor(engine: Engine, grant: Partial<Grant> = {}) {
    this.#engine = engine;
    this.grant = { root: Buffer.alloc(0), makeRoot: null, mayChange: true, account: '', ...grant };
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  /** All in one turn. The memory of the requests is used again right afterwards, unless it is retained. */
  turn(...requests: Request[]): Promise<Outcome[]> {
    const memory: Buffer[] = [];
    const placed = requests.map((request) => inMemory(request, memory));
    let retained = false;
    const outcomes = placed.map(
      (request) =>
        new Promise<Outcome>((settle) => {
          waiting.push({ session: this, request, settle });
        }),
    );
    this.#engine.submit({
      requests: waiting.splice(0),
      retain: () => {
        retained = true;
        this.retained += 1;
        return () => {
          this.retained -= 1;
          for (const bytes of memory) bytes.fill(0xee);
        };
      },
    });
    if (!retained) for (const bytes of memory) bytes.fill(0xee);
    return Promise.all(outcomes);
  }

  async ask(request: Request): Promise<Outcome> {
    const [outcome] = await this.turn(request);
    if (outcome === undefined) throw new Error('no outcome');
    return outcome;
  }

  async begin(): Promise<Outcome> {
    return this.ask({ kind: 'begin-session', grant: this.grant });
  }

  /** @returns the handle */
  async open(path: string, flags: Partial<Parameters<typeof openRequest>[1]> = {}): Promise<number> {
    const outcome = await this.ask(openRequest(path, flags));
    if (outcome.kind !== 'opened')
      throw new Error(JSON.stringify(outcome, (_, v) => (typeof v === 'bigint' ? String(v) : v)));
    return outcome.handle;
  }
}

const waiting: { session: ClientSession; request: Request; settle: (outcome: Outcome) => void }[] = [];

export function openRequest(
  path: string,
  flags: Partial<{ create: boolean; exclusive: boolean; truncate: boolean; append: boolean }> = {},
): Extract<Request, { kind: 'open' }> {
  const all = { read: false, write: true, append: false, create: true, exclusive: false, truncate: false };
  return { kind: 'open', path: Buffer.from(path, 'latin1'), flags: { ...all, ...flags }, mode: 0o644 };
}

function inMemory(request: Request, memory: Buffer[]): Request {
  const copied = Object.entries(request).map(([name, value]) => {
    if (!Buffer.isBuffer(value)) return [name, value];
    const copy = Buffer.from(value);
    memory.push(copy);
    return [name, copy];
  });
  return Object.fromEntries(copied) as Request;
}
