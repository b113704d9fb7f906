import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { readTree } from '../../torture/check/disk-tree.ts';
import { checkWorkspace } from '../../torture/check/workspaces.ts';
import { Client } from '../../torture/clients/client.ts';
import { SharedFolder, sharedRoot } from '../../torture/clients/shared.ts';
import type { Workspace } from '../../torture/clients/workspace.ts';
import { Thaw } from '../../torture/faults/thaw.ts';
import { Notes } from '../../torture/notes.ts';
import { NodeFixture } from '../sftp-node/fixture.ts';

const seed = 1;

describe('the clients of the torture', { timeout: 120_000 }, () => {
  let node: NodeFixture;
  let notes: Notes;
  let clients: Client[];
  let shared: SharedFolder;
  beforeEach(async () => {
    node = new NodeFixture();
    await node.prepare();
    await serve();
    mkdirSync(join(home(), sharedRoot), { recursive: true });
    notes = new Notes();
    shared = new SharedFolder(notes.history);
    clients = [1, 2, 3].map(
      (number) =>
        new Client({
          ...{ number, seed, notes, shared, user: 'alice', privateKey: readFileSync(node.keyFile) },
          dialer: { dial },
          thaw: new Thaw(),
        }),
    );
  });
  afterEach(() => node.dispose());

  const home = () => join(node.filesRoot, 'alice');

  async function serve(): Promise<void> {
    const { type } = await node.start({ port: node.port });
    assert.equal(type, 'listening');
    await node.openGate(60_000);
  }

  function dial(): Promise<Socket> {
    const { promise, resolve, reject } = Promise.withResolvers<Socket>();
    const socket = connect(node.port, '127.0.0.1').once('error', reject);
    socket.once('connect', () => resolve(socket));
    return promise;
  }

  /** @returns what the clients know in the end */
  async function work(meanwhile: () => Promise<void>): Promise<Workspace[]> {
    const ending = new AbortController();
    const running = Promise.all(clients.map((client) => client.run(ending.signal)));
    await meanwhile();
    ending.abort();
    await running;
    const workspaces = await Promise.all(clients.map((client) => client.finish(20_000)));
    return workspaces.filter((workspace) => workspace !== null);
  }

  function check(workspaces: readonly Workspace[]): string[] {
    const tree = readTree(home());
    for (const workspace of workspaces) checkWorkspace(workspace, 'a', home(), tree, notes.violations);
    const text = (path: string) => {
      try {
        return readFileSync(join(home(), path), 'latin1');
      } catch {
        return null;
      }
    };
    for (const { path, what } of shared.judge(text)) notes.violations.add('shared', what, path);
    return notes.violations.list.map(({ check, what, path }) => `${check}: ${path}: ${what}`);
  }

  it('agree with a node that is well, request by request', async () => {
    const workspaces = await work(() => delay(4000));
    assert.deepEqual(check(workspaces), []);
    assert.equal(workspaces.length, 3);
    assert.ok(notes.history.counts.ok > 500, 'they did something');
    assert.equal(notes.history.counts.lost, 0);
  });

  it('agree with a node that dies again and again, whatever became of what was not answered', async () => {
    const workspaces = await work(async () => {
      for (let death = 0; death < 5; death++) {
        await delay(500 + Math.random() * 500);
        await node.halt();
        await serve();
      }
      await delay(500);
    });
    assert.deepEqual(check(workspaces), []);
    assert.ok(notes.history.counts.lost > 0, 'something was not answered');
    assert.deepEqual(
      clients.flatMap(({ abandoned }) => abandoned),
      [],
    );
  });

  it('find what is missing, changed or too much', async () => {
    const [workspace] = await work(() => delay(2000));
    assert.ok(workspace);
    const files = [...workspace.names.latest].filter(
      ([, item]) => item.kind === 'file' && item.content.size > 0,
    );
    const [[gone] = [''], [changed] = [''], [open] = ['']] = files;
    const place = (path: string) => Buffer.from(`${home()}/${workspace.full(path)}`, 'latin1');
    rmSync(place(gone));
    const bytes = readFileSync(place(changed));
    bytes[bytes.length - 1] = 0;
    writeFileSync(place(changed), bytes);
    chmodSync(place(open), 0o777);
    writeFileSync(place('too-much'), '');
    const found = check([workspace]).join('\n');
    for (const what of ['the file is missing', 'from byte', 'mode 511', 'never made'])
      assert.match(found, new RegExp(what));
  });
});
