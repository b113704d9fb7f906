import type { Frame } from '#contracts/frames.ts';
import type { LogRecord } from '../../../../replicator/core/record.ts';
import { decodeToFollower, encodeToLeader } from '../../../../replicator/peers/codec.ts';
import type { ConfigMessage } from '../../../../replicator/peers/control.ts';
import { FollowingSession } from '../../../../replicator/peers/following-session.ts';
import { LiveStream } from '../../../../replicator/peers/live-stream.ts';
import type { ToFollower, ToLeader } from '../../../../replicator/peers/messages.ts';
import type { Flushed, FollowerPort, LeaderPort } from '../../../../replicator/peers/ports.ts';
import { ServingSession } from '../../../../replicator/peers/serving-session.ts';
import { Random } from '../../../sim/timeline.ts';
import { type MemoryEnd, memoryLink } from './memory-link.ts';
import { ModelEngine } from './model-engine.ts';

export function engine(id: string): ModelEngine {
  return new ModelEngine(id, new Random(1));
}

/** Orders one batch on a leader. */
export function order(
  leader: ModelEngine,
  records: readonly LogRecord[],
  data: (Buffer | null)[] = [],
): void {
  let writes = 0;
  for (const record of records) {
    const position = { epoch: leader.epoch, sequence: leader.position.sequence + 1 };
    leader.host.consume(position, record, record.kind === 'write' ? (data[writes++] ?? null) : null);
  }
  leader.ordered(leader.epoch, records, data);
}

export function lead(leader: ModelEngine, epoch: number): void {
  leader.epoch = epoch;
  const previous = leader.position;
  order(leader, [{ kind: 'leadership', epoch, node: leader.host.id, previous }]);
}

export function path(text: string): Buffer {
  return Buffer.from(text);
}

export function opened(handle: number, name: string): LogRecord {
  return {
    kind: 'open',
    handle,
    path: path(name),
    created: true,
    truncate: false,
    mode: 0o644,
    otherNames: [],
  };
}

/** Both logs with what one of them has. */
export function copyLog(from: ModelEngine, to: ModelEngine): Promise<void> {
  return (async () => {
    const reading = from.read(to.position.sequence + 1);
    for (;;) {
      const next = reading.next();
      await run(from);
      const { done, value } = await next;
      if (done) return;
      to.consume(value.payload, []);
    }
  })();
}

async function run(...engines: ModelEngine[]): Promise<void> {
  for (let quiet = 0; quiet < 4; quiet++) {
    for (const { slow } of engines) {
      while (slow.length > 0) {
        slow.shift()?.run();
        quiet = 0;
      }
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

export class Pair {
  readonly leader: LeaderPort;
  readonly stream: LiveStream;
  readonly ends: readonly [leader: MemoryEnd, follower: MemoryEnd];
  readonly serving: ServingSession;
  readonly flushed: Flushed[] = [];
  readonly passed: number[] = [];
  readonly higherEpochs: number[] = [];
  rooms = 0;

  constructor(
    leader: LeaderPort,
    {
      nodeId = 'b',
      cluster = 'test',
      windowBytes = 1_000_000,
      highWater = 64 * 1024,
      replicatesFiles = true,
      stream,
    }: {
      nodeId?: string;
      cluster?: string;
      windowBytes?: number;
      highWater?: number;
      replicatesFiles?: boolean;
      stream?: LiveStream;
    } = {},
  ) {
    this.leader = leader;
    this.stream = stream ?? new LiveStream(leader, windowBytes, () => (this.rooms += 1));
    this.ends = memoryLink(highWater);
    this.serving = new ServingSession(this.ends[0], {
      nodeId,
      cluster,
      port: leader,
      stream: this.stream,
      replicatesFiles,
      now: () => 0,
      onJoined: () => {},
      onReceived: () => {},
      onFlushed: (_session, flushed) => this.flushed.push(flushed),
      onPassed: (_session, sequence) => this.passed.push(sequence),
      onChanged: () => {},
      onHigherEpoch: (epoch) => this.higherEpochs.push(epoch),
    });
  }

  /** @returns the session, and why it ended */
  follow(
    port: FollowerPort,
    options: { epoch?: number; highestEpoch?: number; onConfig?: (config: ConfigMessage) => void } = {},
  ): { session: FollowingSession; ended: Promise<Error> } {
    const session = new FollowingSession(this.ends[1], {
      port,
      cluster: 'test',
      nodeId: 'b',
      leader: 'a',
      epoch: this.leader.epoch,
      highestEpoch: this.leader.epoch,
      onConfig: () => {},
      onChanged: () => {},
      ...options,
    });
    return { session, ended: session.run() };
  }

  /** A follower by hand: what it is sent. */
  byHand(): ToFollower[] {
    const received: ToFollower[] = [];
    this.ends[1].receive(
      ({ type, body }: Frame) => {
        const message = decodeToFollower({ type, body: Buffer.from(body) });
        if (message !== null) received.push(message);
      },
      (error) => this.ends[1].close(error as Error),
    );
    return received;
  }

  send(message: ToLeader): void {
    this.ends[1].send(encodeToLeader(message));
  }

  /** Everything that is on its way or takes time, until nothing more happens. */
  async settle(...engines: ModelEngine[]): Promise<void> {
    for (let quiet = 0; quiet < 4; quiet++) {
      for (const end of this.ends) {
        while (end.hasSomething) {
          end.deliver();
          quiet = 0;
        }
      }
      for (const { slow } of engines) {
        while (slow.length > 0) {
          slow.shift()?.run();
          quiet = 0;
        }
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

/** The code of an error, for who ended a connection and why. */
export function codeOf(error: unknown): unknown {
  return (error as { code?: unknown }).code;
}
