/** The audit log: a line for each thing that a client does, with who and what, and nothing secret in any. */
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import ssh2 from 'ssh2';
import { FieldWriter } from '../../../sftp-node/sftp/fields.ts';
import { attributeFlag, openFlag } from '../../../sftp-node/sftp/protocol.ts';
import { waitFor } from '../../lab/wait.ts';
import { everyRequest, prepare } from '../../unit/sftp-node/requests.ts';
import { NodeFixture } from './fixture.ts';
import { packetType, RawSession, statusCode } from './raw-session.ts';

const { write, create, read } = openFlag;
const content = 'the content of the file';

/** What each request leaves behind besides the line of an OPEN that prepares it. */
const linesOf: Record<string, Record<string, unknown>> = {
  'OPEN for writing': {
    audit: 'open',
    path: 'alice/new',
    writes: true,
    create: true,
    exclusive: false,
    truncate: false,
  },
  CLOSE: { audit: 'upload', path: 'alice/f', bytesWritten: 7, bytesRead: 0, outcome: 'complete' },
  SETSTAT: {
    audit: 'setstat',
    path: 'alice/f',
    size: 3,
    mode: '600',
    accessedAt: 1_000_000,
    modifiedAt: 1_000_000,
  },
  FSETSTAT: { audit: 'setstat', path: 'alice/f', size: 3, mode: '600' },
  'lsetstat@openssh.com': { audit: 'setstat', path: 'alice/l', modifiedAt: 1_000_000 },
  REMOVE: { audit: 'remove', path: 'alice/f' },
  MKDIR: { audit: 'mkdir', path: 'alice/made' },
  RMDIR: { audit: 'rmdir', path: 'alice/empty' },
  RENAME: { audit: 'rename', path: 'alice/f', to: 'alice/d/g' },
  SYMLINK: { audit: 'symlink' },
  'posix-rename@openssh.com': { audit: 'rename', path: 'alice/f', to: 'alice/l' },
  'hardlink@openssh.com': { audit: 'link', path: 'alice/f', to: 'alice/d/h' },
};
/** They change a file that is open, which has its line at the end. */
const withoutLine = ['WRITE', 'fsync@openssh.com'];

describe('the audit log', { timeout: 120_000 }, () => {
  let node: NodeFixture;
  let session: RawSession;
  const everything: Record<string, unknown>[] = [];
  /** Of what was logged so far only that nothing in it is secret is still looked at. */
  const forget = () => {
    everything.push(...node.lines.splice(0));
  };
  before(async () => {
    node = new NodeFixture();
    await node.prepare();
    await node.start();
    await node.openGate(600_000);
  });
  after(async () => {
    forget();
    const log = JSON.stringify(everything);
    const [key] = readFileSync(node.keyFile, 'utf8').split('\n').slice(1);
    const [, hash = ''] =
      /passwordHash: (.*)/.exec(readFileSync(join(node.configRoot, 'users.yaml'), 'utf8')) ?? [];
    const secrets = ['secret', 'wrong guess', hash, String(key), content];
    await node.dispose();
    for (const secret of secrets) {
      assert.ok(secret.length > 5);
      assert.ok(!log.includes(secret), `${secret} is in the log`);
    }
  });
  beforeEach(async () => {
    const home = join(node.filesRoot, 'alice');
    rmSync(home, { recursive: true, force: true });
    mkdirSync(home);
    prepare(home);
    session = new RawSession(await node.rawChannel());
    forget();
  });

  const line = async (fields: Record<string, unknown>) => {
    const isIt = (candidate: Record<string, unknown>) =>
      Object.entries(fields).every(([name, value]) => candidate[name] === value);
    const found = await waitFor(`a line ${JSON.stringify(fields)}`, () => node.lines.find(isIt), {
      limitMs: 3000,
      everyMs: 5,
      evidence: () => node.lines.map((each) => JSON.stringify(each)).join('\n'),
    });
    assert.equal(found.process, 'sftp-node');
    assert.equal(found.node, 'a');
    assert.equal(found.epoch, 7);
    assert.equal(found.address, '127.0.0.1');
    assert.equal(typeof found.session, 'number');
    if (found.audit !== 'login-failed') assert.equal(found.msg, found.audit);
    return found;
  };
  const count = (audit: string) => node.lines.filter((each) => each.audit === audit).length;

  it('knows every request that changes something', () => {
    const changing = everyRequest.filter(({ mutates }) => mutates).map(({ name }) => name);
    assert.deepEqual(changing.sort(), [...Object.keys(linesOf), ...withoutLine].sort());
  });

  for (const { name, type, fields } of everyRequest.filter((each) => Object.hasOwn(linesOf, each.name))) {
    it(`has a line for ${name}`, async () => {
      const packet = await fields({ raw: session });
      await session.request(type, packet);
      const found = await line({ level: 'info', user: 'alice', ...linesOf[name] });
      if (found.audit === 'upload') assert.ok(Number(found.durationMs) >= 0);
      if (found.audit === 'symlink')
        assert.deepEqual([found.path, found.target].map(String).sort(), ['/m', 'alice/m2'].sort());
      assert.equal(count('refused'), 0);
      session.client.destroy();
    });
  }

  it('tells logins apart, and when each ends', async () => {
    session.client.end();
    const logout = await line({ audit: 'logout', level: 'info', user: 'alice' });
    assert.ok(Number(logout.durationMs) >= 0);
    forget();
    const [one, two] = [new RawSession(await node.rawChannel()), new RawSession(await node.rawChannel())];
    await waitFor('the logins', () => count('login') === 2, { everyMs: 5 });
    const logins = node.lines.filter(({ audit }) => audit === 'login');
    assert.ok(logins.every(({ user, method }) => user === 'alice' && method === 'publickey'));
    assert.equal(new Set(logins.map(({ session: number }) => number)).size, 2);
    await two.mkdir('/by-two');
    assert.equal((await line({ audit: 'mkdir', path: 'alice/by-two' })).session, logins[1]?.session);
    one.client.destroy();
    two.client.destroy();
  });

  it('has a line for a login that failed, and for one by password', async () => {
    const login = (password: string) =>
      new Promise<void>((resolve) => {
        const client = new ssh2.Client();
        client.on('ready', () => client.end()).on('error', () => client.end());
        client.once('close', () => resolve());
        client.connect({ host: '127.0.0.1', port: node.port, username: 'bob', password });
      });
    await login('wrong guess');
    await line({ audit: 'login-failed', level: 'warn', user: 'bob', method: 'password' });
    await login('secret');
    await line({ audit: 'login', level: 'info', user: 'bob', method: 'password' });
  });

  it('has a line for the home that a login made', async () => {
    rmSync(join(node.filesRoot, 'bob'), { recursive: true, force: true });
    const bob = new RawSession(await node.rawChannel('bob'));
    await bob.mkdir('/d');
    await line({ audit: 'mkdir', level: 'info', user: 'bob', path: 'bob', home: true });
    bob.client.destroy();
  });

  it('counts the bytes of transfers, and says how each ended', async () => {
    const bytes = Buffer.from(content);
    const upload = await session.open('/up', write | create);
    assert.ok(upload !== null);
    await session.write(upload, 0, bytes);
    await session.write(upload, bytes.length, bytes);
    assert.equal(await session.close(upload), statusCode.ok);
    await line({
      audit: 'upload',
      user: 'alice',
      path: 'alice/up',
      bytesWritten: 2 * bytes.length,
      bytesRead: 0,
      outcome: 'complete',
    });
    const download = await session.open('/up', read);
    assert.ok(download !== null);
    await session.request(packetType.read, new FieldWriter().bytes(download).u64(0).u32(1000));
    assert.equal(await session.close(download), statusCode.ok);
    await line({ audit: 'download', path: 'alice/up', bytesRead: 2 * bytes.length, bytesWritten: 0 });
    assert.equal(count('open'), 1, 'a download has its line at the end');
    const cut = await session.open('/cut', write | create);
    assert.ok(cut !== null);
    await session.write(cut, 0, bytes);
    session.client.destroy();
    await line({ audit: 'upload', path: 'alice/cut', bytesWritten: bytes.length, outcome: 'interrupted' });
  });

  it('has a line for what was refused, and none for a look at what is not there', async () => {
    assert.equal(await session.paths(packetType.stat, '/none'), statusCode.noSuchFile);
    assert.equal(await session.paths(packetType.remove, '/none'), statusCode.noSuchFile);
    const refused = { audit: 'refused', level: 'info', user: 'alice' };
    const removal = await line({
      ...refused,
      request: 'remove',
      status: statusCode.noSuchFile,
      cause: 'ENOENT',
    });
    assert.deepEqual(removal.asked, ['/none']);
    assert.equal(removal.reason, 'No such file or directory');
    await session.paths(packetType.rename, '/f', '/l');
    const renaming = await line({ ...refused, request: 'rename', status: statusCode.failure });
    assert.deepEqual(renaming.asked, ['/f', '/l']);
    const owner = new FieldWriter().text('/f').u32(attributeFlag.owner).u32(0).u32(0);
    assert.equal(await session.status(packetType.setstat, owner), statusCode.permissionDenied);
    await line({ ...refused, request: 'setstat', status: statusCode.permissionDenied });
    assert.equal(await session.open('/none/new', write | create), null);
    await line({ ...refused, request: 'open', status: statusCode.noSuchFile });
    assert.equal(count('refused'), 4);
    session.client.destroy();
  });

  it('tells once of each file that its WRITEs were refused', async () => {
    const handle = await session.open('/new', write | create);
    assert.ok(handle !== null);
    node.engine.refuse('no standby is in sync');
    await waitFor('the refusal', async () => (await session.mkdir('/d')) === statusCode.failure);
    forget();
    const writes = Array.from({ length: 20 }, () => session.write(handle, 0, Buffer.from(content)));
    for (const status of await Promise.all(writes)) assert.equal(status, statusCode.failure);
    assert.equal(await session.close(handle), statusCode.failure);
    await line({ audit: 'upload', path: 'alice/new', outcome: 'interrupted' });
    const told = node.lines.filter(({ audit, request }) => audit === 'refused' && request === 'write');
    assert.equal(told.length, 1);
    assert.equal(told[0]?.path, 'alice/new');
    assert.match(String(told[0]?.reason), /no standby is in sync/);
    const closing = await line({ audit: 'refused', request: 'close', level: 'info' });
    assert.equal(closing.path, 'alice/new');
    node.engine.refuse(null);
    session.client.destroy();
  });

  it('says of a change that could not be acknowledged that it was refused, and of an upload too', async () => {
    node.engine.acknowledges = false;
    const handle = await session.open('/new', write | create);
    assert.ok(handle !== null);
    const replies = [session.mkdir('/made'), session.close(handle)];
    await waitFor('the changes', () => node.engine.kinds.at(-1) === 'close');
    node.engine.refuse('no standby is in sync');
    for (const status of await Promise.all(replies)) assert.equal(status, statusCode.failure);
    const refused = await line({ audit: 'refused', request: 'mkdir', level: 'info' });
    assert.deepEqual(refused.asked, ['/made']);
    await line({ audit: 'upload', path: 'alice/new', outcome: 'unacknowledged' });
    node.engine.acknowledges = true;
    node.engine.refuse(null);
    session.client.destroy();
  });
});
