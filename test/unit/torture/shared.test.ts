import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Random } from '../../sim/timeline.ts';
import { SharedFolder, sharedRoot } from '../../torture/clients/shared.ts';
import { History } from '../../torture/history.ts';
import { type Connection, ConnectionLost, Refused } from '../../torture/sftp/connection.ts';
import { openFlag } from '../../torture/sftp/wire.ts';

/** A server that keeps files in memory, and can be made to forget and to err. */
class Memory {
  readonly files = new Map<string, string>();
  readonly #paths = new Map<string, string>();
  losesCloses = false;
  isBlindToNames = false;
  #handles = 0;

  async open(path: string, flags: number): Promise<Buffer> {
    if (flags & openFlag.exclusive && this.files.has(path) && !this.isBlindToNames)
      throw new Refused(4, 'It exists already');
    if (!this.files.has(path) || flags & openFlag.exclusive) this.files.set(path, '');
    const handle = `${++this.#handles}`;
    this.#paths.set(handle, path);
    return Buffer.from(handle);
  }

  async write(handle: Buffer, _offset: number, data: Buffer): Promise<void> {
    const path = this.#paths.get(`${handle}`) ?? '';
    this.files.set(path, `${this.files.get(path)}${data}`);
  }

  async close(): Promise<void> {
    if (this.losesCloses) throw new ConnectionLost('gone', false);
  }

  async posixRename(from: string, to: string): Promise<void> {
    this.files.set(to, this.files.get(from) ?? '');
    this.files.delete(from);
  }
}

describe('the shared folder', () => {
  async function worked(memory: Memory, steps = 200): Promise<SharedFolder> {
    const shared = new SharedFolder(new History());
    const random = new Random(1);
    for (let step = 0; step < steps; step++)
      await shared
        .step(memory as unknown as Connection, `client-${step % 3}`, random)
        .catch((error) => assert.ok(error instanceof ConnectionLost));
    return shared;
  }
  const read = (memory: Memory) => (path: string) => memory.files.get(path) ?? null;

  it('is as it should be on a server that is well, also one that does not answer', async () => {
    const memory = new Memory();
    assert.deepEqual((await worked(memory)).judge(read(memory)), []);
    const silent = new Memory();
    silent.losesCloses = true;
    assert.deepEqual((await worked(silent)).judge(read(silent)), []);
  });

  it('shows records that were lost, or are there twice', async () => {
    const memory = new Memory();
    const shared = await worked(memory);
    const path = [...memory.files.keys()].find((name) => name.startsWith(`${sharedRoot}/log-`)) ?? '';
    const text = memory.files.get(path) ?? '';
    memory.files.set(path, text.slice(0, text.lastIndexOf('<')));
    assert.match(shared.judge(read(memory))[0]?.what ?? '', /is missing$/);
    memory.files.set(path, text + text);
    assert.match(shared.judge(read(memory))[0]?.what ?? '', /is there 2 times$/);
  });

  it('shows a name that two clients made, and one that lost its content', async () => {
    const memory = new Memory();
    memory.isBlindToNames = true;
    const shared = await worked(memory);
    assert.ok(shared.judge(read(memory)).some(({ what }) => /made it exclusively$/.test(what)));
    const well = new Memory();
    const good = await worked(well);
    for (const path of well.files.keys()) if (path.includes('/race-')) well.files.set(path, '');
    assert.match(good.judge(read(well))[0]?.what ?? '', /^"" where .* was acknowledged$/);
  });

  it('shows a replacement that an older one undid', async () => {
    const memory = new Memory();
    const shared = await worked(memory, 30);
    const older = memory.files.get(`${sharedRoot}/turn`) ?? '';
    assert.notEqual(older, '');
    await new Promise((resolve) => setTimeout(resolve, 5));
    const random = new Random(2);
    for (let step = 0; step < 30; step++) await shared.step(memory as unknown as Connection, 'late', random);
    assert.deepEqual(shared.judge(read(memory)), []);
    memory.files.set(`${sharedRoot}/turn`, older);
    assert.match(shared.judge(read(memory))[0]?.what ?? '', /was acknowledged later$/);
  });
});
