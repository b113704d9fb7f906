/** The journal is the tree: replayed, it gives the same files, whatever clients do at the same time (G3, G5). */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { FieldWriter } from '../../../sftp-node/sftp/fields.ts';
import { attributeFlag, openFlag } from '../../../sftp-node/sftp/protocol.ts';
import { waitFor } from '../../lab/wait.ts';
import { Applier } from './applier.ts';
import { Dice } from './dice.ts';
import { NodeFixture } from './fixture.ts';
import { packetType, RawSession } from './raw-session.ts';

/** One line for each name: type, mode, links, and content, target or nothing. */
function picture(root: string, below = Buffer.alloc(0), inodes = new Map<bigint, number>()): string[] {
  const at = Buffer.concat([Buffer.from(`${root}/`), below]);
  return readdirSync(at, { encoding: 'buffer' })
    .sort(Buffer.compare)
    .flatMap((name) => {
      const path = Buffer.concat([below, name]);
      const full = Buffer.concat([Buffer.from(`${root}/`), path]);
      const stats = lstatSync(full, { bigint: true });
      const shown = `${path.toString('latin1')} ${(stats.mode & 0o777n).toString(8)}`;
      if (stats.isSymbolicLink()) return [`${path.toString('latin1')} -> ${readlinkSync(full)}`];
      if (stats.isDirectory()) {
        return [`${shown} directory`, ...picture(root, Buffer.concat([path, Buffer.from('/')]), inodes)];
      }
      // Names of one file have the same number in both trees.
      const number = inodes.get(stats.ino) ?? inodes.size;
      inodes.set(stats.ino, number);
      const digest = createHash('sha256').update(readFileSync(full)).digest('hex').slice(0, 16);
      return [`${shown} file ${number} of ${stats.size} bytes ${digest}`];
    });
}

describe('the journal', { timeout: 180_000 }, () => {
  let node: NodeFixture;
  let copy: string;
  const umask = process.umask();
  beforeEach(async () => {
    process.umask(0);
    node = new NodeFixture();
    await node.prepare();
    await node.start();
    await node.openGate(600_000);
    copy = join(node.folder, 'copy');
    mkdirSync(copy);
  });
  afterEach(async () => {
    process.umask(umask);
    await node.dispose();
  });

  function replay(): Applier {
    const applier = new Applier(copy);
    for (const { sequence, operation } of node.journal.operations) {
      try {
        applier.apply(operation);
      } catch (error) {
        throw new Error(`operation ${sequence}, ${operation.kind}`, { cause: error });
      }
    }
    return applier;
  }

  const names = [
    'a',
    'b',
    'c',
    'd/a',
    'd/b',
    'd/e/a',
    'l',
    'l/a',
    'd',
    'd/e',
    '../c',
    'd/../b',
    'b/',
    Buffer.from([0xff]),
  ];
  const writeFlags = [
    openFlag.create,
    openFlag.create | openFlag.truncate,
    openFlag.create | openFlag.exclusive,
    0,
    openFlag.create | openFlag.append,
  ];

  /** One client: what it does hangs on the dice alone, what comes of it on the others too. */
  async function work(session: RawSession, dice: Dice, steps: number): Promise<void> {
    const handles: Buffer[] = [];
    for (let step = 0; step < steps; step++) {
      const handle = handles.length > 0 ? dice.one(handles) : undefined;
      const { size, permissions, times } = attributeFlag;
      const doings: (() => Promise<unknown>)[] = [
        async () => {
          const opened = await session.open(dice.one(names), openFlag.write | dice.one(writeFlags));
          if (opened !== null) handles.push(opened);
        },
        async () =>
          handle &&
          session.write(handle, dice.below(70_000), Buffer.alloc(dice.below(100_000), dice.below(256))),
        async () =>
          handle && session.write(handle, dice.below(100), Buffer.alloc(dice.below(100), dice.below(256))),
        async () => handle && session.close(handle).then(() => handles.splice(handles.indexOf(handle), 1)),
        async () =>
          handle &&
          session.status(
            packetType.fsetstat,
            new FieldWriter().bytes(handle).u32(size).u64(dice.below(50_000)),
          ),
        async () => session.mkdir(dice.one(names)),
        async () => session.paths(packetType.remove, dice.one(names)),
        async () => session.paths(packetType.rmdir, dice.one(names)),
        async () => session.paths(packetType.rename, dice.one(names), dice.one(names)),
        async () => session.extended('posix-rename@openssh.com', dice.one(names), dice.one(names)),
        async () => session.extended('hardlink@openssh.com', dice.one(names), dice.one(names)),
        async () =>
          session.paths(packetType.symlink, dice.one(['d', '../a', '/d/e', 'nowhere', 'l']), dice.one(names)),
        async () =>
          session.status(
            packetType.setstat,
            new FieldWriter()
              .bytes(Buffer.from(dice.one(names)))
              .u32(permissions | times)
              .u32(dice.below(0o1000))
              .u32(7)
              .u32(8),
          ),
        async () =>
          session.status(
            packetType.setstat,
            new FieldWriter()
              .bytes(Buffer.from(dice.one(names)))
              .u32(size)
              .u64(dice.below(50_000)),
          ),
      ];
      const doing = dice.one(doings);
      // Most requests are sent while the one before is still on its way.
      if (dice.below(4) === 0) await doing();
      else void doing();
    }
    for (const handle of handles.slice(1)) await session.close(handle);
  }

  it('replayed gives the same tree, from three clients at once', async (context) => {
    const seed = Number(process.env.SEED ?? randomBytes(4).readUInt32BE());
    context.diagnostic(`SEED=${seed}`);
    const users = ['alice', 'alice', 'bob'];
    const sessions = await Promise.all(
      users.map(async (user) => new RawSession(await node.rawChannel(user))),
    );
    await Promise.all(sessions.map((session, index) => work(session, new Dice(seed + index), 1500)));
    // The files that a client leaves open are closed for it.
    for (const session of sessions) session.client.destroy();
    await node.isQuiet();
    const applier = replay();
    assert.equal(applier.openHandles, 0);
    assert.deepEqual(picture(copy), picture(node.filesRoot), `SEED=${seed}`);
    const kinds = new Set(node.journal.kinds());
    assert.ok(kinds.size >= 10, `the work was too dull: ${[...kinds]}`);
    assert.deepEqual(
      node.journal.operations.map(({ sequence }) => sequence),
      node.journal.operations.map((_operation, index) => index + 1),
    );
  });

  it('carries the same bytes when its reader is slow', async () => {
    const session = new RawSession(await node.rawChannel());
    const handle = await session.open('/f', openFlag.write | openFlag.create);
    assert.ok(handle !== null);
    node.journal.pause();
    const bytes = randomBytes(8 << 20);
    const writes: Promise<number>[] = [];
    for (let at = 0; at < bytes.length; at += 100_000)
      writes.push(session.write(handle, at, bytes.subarray(at, at + 100_000)));
    await Promise.all(writes);
    node.journal.resume();
    await session.close(handle);
    replay();
    assert.ok(readFileSync(join(copy, 'alice/f')).equals(bytes));
    session.client.destroy();
  });

  it('that is full stops uploads, and lets them go on', async () => {
    const session = new RawSession(await node.rawChannel());
    const handle = await session.open('/f', openFlag.write | openFlag.create);
    assert.ok(handle !== null);
    node.journal.pause();
    const data = randomBytes(200_000);
    let answered = 0;
    const writes = Array.from({ length: 200 }, (_, index) =>
      session.write(handle, index * data.length, data).then(() => {
        answered += 1;
      }),
    );
    await waitFor('the upload to stand still', async () => {
      const before = answered;
      await new Promise((resolve) => setTimeout(resolve, 300));
      return answered > 0 && answered === before;
    });
    assert.ok(answered < 150, `${answered} of 200 were taken`);
    node.journal.resume();
    await Promise.all(writes);
    assert.equal(await session.close(handle), 0);
    rmSync(join(node.filesRoot, 'alice/f'));
    session.client.destroy();
  });
});
