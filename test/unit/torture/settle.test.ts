import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { Random } from '../../sim/timeline.ts';
import { settle } from '../../torture/clients/settle.ts';
import { Spoilt, Workspace } from '../../torture/clients/workspace.ts';
import { Notes } from '../../torture/notes.ts';
import { type Connection, ConnectionLost, type Entry, Refused } from '../../torture/sftp/connection.ts';
import { status } from '../../torture/sftp/wire.ts';

/** A server that keeps folders in memory, and can hang up before or after it has done something. */
class Folders {
  readonly paths = new Set<string>(['root']);
  /** The next request with this in it is not answered. */
  hangsUp: { word: string; isDone: boolean } | null = null;

  async list(folder: string): Promise<Entry[]> {
    const attributes = { size: 0, mode: 0o040755, modifiedAt: 0 };
    return this.#childrenOf(folder).map((path) => ({ name: path.slice(folder.length + 1), attributes }));
  }

  async mkdir(path: string): Promise<void> {
    this.#answer(`mkdir ${path}`, () => this.paths.add(path));
  }

  async rmdir(path: string): Promise<void> {
    if (!this.paths.has(path)) throw new Refused(status.noSuchFile, 'No such file or directory');
    if (this.#childrenOf(path).length > 0) throw new Refused(4, 'The directory is not empty');
    this.#answer(`rmdir ${path}`, () => this.paths.delete(path));
  }

  async rename(from: string, to: string): Promise<void> {
    for (const path of [...this.paths].filter((each) => each === from || each.startsWith(`${from}/`))) {
      this.paths.delete(path);
      this.paths.add(to + path.slice(from.length));
    }
  }

  get pins(): string[] {
    return [...this.paths].filter((path) => path.includes('.pin-'));
  }

  #childrenOf(folder: string): string[] {
    return [...this.paths].filter((path) => path.slice(0, path.lastIndexOf('/')) === folder);
  }

  #answer(request: string, carryOut: () => void): void {
    const hangsUp = this.hangsUp !== null && request.includes(this.hangsUp.word) ? this.hangsUp : null;
    if (hangsUp?.isDone !== false) carryOut();
    if (hangsUp === null) return;
    this.hangsUp = null;
    throw new ConnectionLost('gone', false);
  }
}

describe('a client that settles after a lost connection', () => {
  let server: Folders;
  let connection: Connection;
  let notes: Notes;
  let workspace: Workspace;
  const settleOnce = () => settle(workspace, connection, notes, new Random(1));
  const found = () => notes.violations.list.map(({ path, what }) => `${path}: ${what}`);

  beforeEach(async () => {
    server = new Folders();
    connection = server as unknown as Connection;
    notes = new Notes();
    workspace = new Workspace('root', 'client', notes);
    await workspace.mkdir(connection, 'd', 0o755);
    await workspace.mkdir(connection, 'd/e', 0o755);
    server.hangsUp = { word: 'mkdir root/x', isDone: false };
    await assert.rejects(workspace.mkdir(connection, 'x', 0o755), ConnectionLost);
  });

  for (const [what, word, isDone] of [
    ['was made', 'mkdir root/d/.pin-', true],
    ['was not removed', 'rmdir root/d/.pin-', false],
  ] as const) {
    it(`again takes away what the first time left: a pin that ${what} as the connection was lost`, async () => {
      server.hangsUp = { word, isDone };
      await assert.rejects(settleOnce(), ConnectionLost);
      assert.equal(server.pins.length, 1);
      await settleOnce();
      assert.deepEqual(server.pins, []);
      await workspace.rename(connection, 'd', 'f');
      assert.equal(await workspace.rmdir(connection, 'f/e'), true);
      assert.equal(await workspace.rmdir(connection, 'f'), true);
      assert.deepEqual(found(), []);
    });
  }

  it('finds a pin that is there again although its removal was acknowledged, under a new name of its folder', async () => {
    let pin = '';
    const { mkdir } = server;
    server.mkdir = async (path) => {
      if (path.startsWith('root/d/.pin-')) pin = path;
      await mkdir.call(server, path);
    };
    await settleOnce();
    assert.notEqual(pin, '');
    await workspace.rename(connection, 'd', 'f');
    const again = pin.replace('root/d/', 'root/f/');
    server.paths.add(again);
    await assert.rejects(settleOnce(), Spoilt);
    assert.deepEqual(found(), [`${again}: a folder that was removed`]);
  });

  it('writes down its pins with what became of them', async () => {
    server.hangsUp = { word: 'rmdir root/d/.pin-', isDone: false };
    await assert.rejects(settleOnce(), ConnectionLost);
    await workspace.rename(connection, 'd', 'f');
    const [pin = ''] = server.pins;
    assert.deepEqual(
      notes.history
        .about(pin)
        .filter(({ paths }) => paths.some((path) => path.includes('.pin-')))
        .map((entry) => `${entry.what} ${entry.outcome}`),
      ['mkdir ok', 'rmdir lost'],
    );
  });
});
