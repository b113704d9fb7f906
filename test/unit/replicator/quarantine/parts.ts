import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { QuarantineAnswer, QuarantineRequest } from '#contracts/ipc/quarantine.ts';
import type { Space } from '../../../../replicator/quarantine/bounds.ts';
import { Keeper } from '../../../../replicator/quarantine/keeper.ts';
import { Quarantine } from '../../../../replicator/quarantine/quarantine.ts';
import { Tree } from '../../../../replicator/tree/tree.ts';

const hourMs = 3_600_000;
export const dayMs = 24 * hourMs;
const roomy: Space = { totalBytes: 1e12, freeBytes: 5e11, totalNames: 1e6, freeNames: 5e5 };

type AnswerTo<Kind extends QuarantineAnswer['kind']> = Extract<QuarantineAnswer, { kind: Kind }>;

/** A files root with its quarantine, in a time that only the test moves. */
export class TestQuarantine {
  readonly base = mkdtempSync(join(tmpdir(), 'holdfast-quarantine-'));
  readonly root = join(this.base, 'quarantine');
  readonly tree = new Tree(join(this.base, 'files'));
  readonly logged: [message: string, fields: Record<string, unknown>][] = [];
  readonly log = {
    warn: (fields: Record<string, unknown>, message: string) => void this.logged.push([message, fields]),
    error: (fields: Record<string, unknown>, message: string) => void this.logged.push([message, fields]),
  };
  moved = 0;
  space: Space | (() => Space) = roomy;
  /** It is steady two hours later: now. */
  wallMs = Date.now() - 2 * hourMs;
  elapsedMs = 0;
  keeper: Keeper;
  quarantine: Quarantine;

  constructor(bounds: Partial<ConstructorParameters<typeof Keeper>[0]['bounds']> = {}) {
    for (const folder of [this.root, this.tree.root]) mkdirSync(folder);
    this.keeper = this.newKeeper(bounds);
    this.quarantine = this.newQuarantine();
  }

  newKeeper(bounds: Partial<ConstructorParameters<typeof Keeper>[0]['bounds']> = {}): Keeper {
    const keeper = new Keeper({
      quarantineRoot: this.root,
      filesRoot: this.tree.root,
      bounds: { maxBytes: { bytes: 1e11 }, maxAgeMs: 90 * dayMs, minFreeBytes: 0, ...bounds },
      wallMs: () => this.wallMs,
      elapsedMs: () => this.elapsedMs,
      log: (_level, fields, message) => void this.logged.push([message, fields as Record<string, unknown>]),
      space: () => (typeof this.space === 'function' ? this.space() : this.space),
    });
    this.pass(2 * hourMs);
    return keeper;
  }

  newQuarantine(epoch = 7): Quarantine {
    return new Quarantine({
      ...{ root: this.root, epoch, leader: 'b', log: this.log as never },
      wallClock: () => new Date(this.wallMs),
      onMoved: () => {
        this.moved += 1;
      },
    });
  }

  own(name: string): string {
    return join(this.tree.root, name);
  }

  pass(ms: number): void {
    this.wallMs += ms;
    this.elapsedMs += ms;
  }

  aside(path: string | Buffer, reason: 'only-here' | 'differs' = 'only-here'): void {
    this.tree.withEntry(Buffer.from(path), (entry) =>
      this.quarantine.moveIn(entry, Buffer.from(path), reason),
    );
    this.keeper.onMoved();
    this.pass(1);
  }

  async look(keeper = this.keeper): Promise<void> {
    await keeper.dropBeyondBounds();
    await keeper.refresh();
    await keeper.dropBeyondBounds();
    await keeper.removeDiscarded();
  }

  ask<Kind extends QuarantineRequest['kind']>(
    request: Extract<QuarantineRequest, { kind: Kind }>,
  ): AnswerTo<Kind> {
    const answer = this.keeper.answer(request);
    if (answer.kind === 'refused') throw new Error(`${answer.code}: ${answer.message}`);
    return answer as AnswerTo<Kind>;
  }

  list() {
    return this.ask({ kind: 'list', before: null, limit: 200 }).entries;
  }

  end(): void {
    rmSync(this.base, { recursive: true, force: true });
  }
}
