/** What is on the disk of a follower before it says so (G3), operation by operation. */
import '../../fsyncs.ts';
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Operation } from '#contracts/journal/operation.ts';
import { Applier } from '../../../../replicator/replica/apply.ts';
import { OperationQueue } from '../../../../replicator/replica/operation-queue.ts';
import { Tree } from '../../../../replicator/tree/tree.ts';
import { fsyncs } from '../../fsyncs.ts';
import { until } from '../../until.ts';

const path = (name: string) => Buffer.from(name);
const flags = { create: true, exclusive: false, truncate: false };
const opened = (name: string, handle = 1): Operation => ({
  kind: 'open',
  handle,
  path: path(name),
  flags,
  mode: 0o640,
});
const written = (handle = 1): Operation => ({ kind: 'write', handle, offset: 0, data: Buffer.from('text') });
const attributes = { mode: 0o600, accessedAt: 5, modifiedAt: 5 };

interface Change {
  readonly name: string;
  /** Applied and told before, none of them to be durable. */
  readonly before?: readonly Operation[];
  readonly operation: Operation;
  /** From the root; the empty name is the root itself. */
  readonly synced: readonly string[];
}

const changes: readonly Change[] = [
  {
    name: 'close of a new file',
    before: [opened('d/new'), written()],
    operation: { kind: 'close', handle: 1 },
    synced: ['d', 'd/new'],
  },
  {
    name: 'close of a file that was there',
    before: [opened('d/f'), written()],
    operation: { kind: 'close', handle: 1 },
    synced: ['d/f'],
  },
  {
    name: 'close of a file that was truncated alone',
    before: [{ ...opened('d/f'), flags: { ...flags, truncate: true } } as Operation],
    operation: { kind: 'close', handle: 1 },
    synced: ['d/f'],
  },
  {
    name: 'sync',
    before: [opened('d/new'), written()],
    operation: { kind: 'sync', handle: 1 },
    synced: ['d', 'd/new'],
  },
  {
    name: 'set-handle-attributes',
    before: [opened('d/f')],
    operation: { kind: 'set-handle-attributes', handle: 1, attributes },
    synced: ['d/f'],
  },
  {
    name: 'set-attributes of a file',
    operation: { kind: 'set-attributes', path: path('d/f'), attributes: { ...attributes, size: 1 } },
    synced: ['d/f'],
  },
  {
    name: 'set-attributes of a folder',
    operation: { kind: 'set-attributes', path: path('d'), attributes },
    synced: ['d'],
  },
  {
    name: 'rename',
    operation: { kind: 'rename', from: path('d/f'), to: path('e/f') },
    synced: ['d', 'e'],
  },
  { name: 'remove', operation: { kind: 'remove', path: path('d/f') }, synced: ['d'] },
  { name: 'mkdir', operation: { kind: 'mkdir', path: path('new'), mode: 0o750 }, synced: [''] },
  { name: 'rmdir', operation: { kind: 'rmdir', path: path('e') }, synced: [''] },
  {
    name: 'symlink',
    operation: { kind: 'symlink', path: path('d/l'), target: path('f') },
    synced: ['d'],
  },
  {
    name: 'link',
    operation: { kind: 'link', existing: path('d/f'), path: path('e/h') },
    synced: ['e'],
  },
];

describe('on disk at a follower before it is acknowledged', { timeout: 20_000 }, () => {
  let root: string;
  let queue: OperationQueue;
  let acknowledged: number;
  let flushed: number;
  let failure: unknown;
  let sequence: number;
  beforeEach(() => {
    fsyncs.reset();
    root = realpathSync(mkdtempSync(join(tmpdir(), 'holdfast-durable-')));
    mkdirSync(join(root, 'd'));
    mkdirSync(join(root, 'e'));
    writeFileSync(join(root, 'd/f'), 'content');
    [sequence, acknowledged, flushed, failure] = [0, 0, 0, null];
    queue = new OperationQueue(new Applier(new Tree(root)), 1, 0, {
      onApplied: (applied) => {
        acknowledged = applied;
      },
      onFlushed: (applied) => {
        flushed = applied;
      },
      onFailed: (error) => {
        failure = error;
      },
      pause: () => {},
      resume: () => {},
    });
  });
  afterEach(() => {
    fsyncs.reset();
    rmSync(root, { recursive: true });
  });

  const inRoot = (names: readonly string[]) => names.map((name) => join(root, name)).sort();
  const push = (operation: Operation, durable: boolean) => {
    sequence += 1;
    queue.push({ type: 'operation', epoch: 1, sequence, durable, operation });
  };
  async function applied(operations: readonly Operation[]): Promise<void> {
    for (const operation of operations) push(operation, false);
    await until(() => acknowledged === sequence);
    assert.deepEqual(fsyncs.done, [], 'these wait for nothing');
  }

  for (const { name, before = [], operation, synced } of changes) {
    it(`${name}: ${synced.map((file) => file || 'the root').join(' and ')}`, async () => {
      await applied(before);
      fsyncs.hold();
      push(operation, true);
      await until(() => fsyncs.waiting.length > 0);
      // Files come first, then their folders.
      for (let turn = 0; fsyncs.waiting.length > 0 && turn < 3; turn++) {
        await delay(5);
        assert.equal(acknowledged, sequence - 1, 'it was acknowledged');
        fsyncs.release();
        fsyncs.hold();
        await until(() => acknowledged === sequence || fsyncs.waiting.length > 0);
      }
      await until(() => acknowledged === sequence);
      assert.deepEqual(fsyncs.paths, inRoot(synced));
    });

    it(`${name} is not acknowledged when the disk fails`, async () => {
      await applied(before);
      fsyncs.error = 'EIO';
      push(operation, true);
      await until(() => failure !== null);
      assert.equal(acknowledged, sequence - 1);
    });
  }

  for (const [what, order] of [
    ['a flush', () => queue.push({ type: 'flush', sequence })],
    ['a barrier', () => push({ kind: 'barrier' }, true)],
  ] as const) {
    it(`${what}: everything that was written, open or closed`, async () => {
      await applied([
        opened('d/one', 1),
        written(1),
        opened('e/two', 2),
        written(2),
        { kind: 'close', handle: 2 },
        { kind: 'set-attributes', path: path('d/f'), attributes },
      ]);
      order();
      await until(() => fsyncs.paths.length === 5);
      await until(() => (what === 'a flush' ? flushed : acknowledged) === sequence);
      assert.deepEqual(fsyncs.paths, inRoot(['d', 'd/f', 'd/one', 'e', 'e/two']));
    });
  }

  it('an upload that still runs is not waited for by the close of another', async () => {
    await applied([opened('d/one', 1), written(1), opened('d/f', 2), written(2)]);
    push({ kind: 'close', handle: 2 }, true);
    await until(() => acknowledged === sequence);
    assert.deepEqual(fsyncs.paths, inRoot(['d', 'd/f']));
  });
});
