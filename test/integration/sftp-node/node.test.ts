import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';
import { FieldWriter } from '../../../sftp-node/sftp/fields.ts';
import { attributeFlag, openFlag } from '../../../sftp-node/sftp/protocol.ts';
import { waitFor } from '../../lab/wait.ts';
import { NodeFixture } from './fixture.ts';
import { packetType, RawSession, statusCode } from './raw-session.ts';

async function serving(): Promise<NodeFixture> {
  const node = new NodeFixture();
  await node.prepare();
  assert.equal((await node.start()).type, 'listening');
  await node.openGate(600_000);
  return node;
}

describe('the SFTP node and OpenSSH', { timeout: 120_000 }, () => {
  let node: NodeFixture;
  before(async () => {
    node = await serving();
  });
  after(() => node.dispose());

  const ok = async (batch: string) => {
    const result = await node.sftp(batch);
    assert.equal(result.exitCode, 0, result.all);
    return result.stdout;
  };

  it('moves files both ways with the same bytes', async () => {
    for (const size of [0, 1, 32_768, 1_000_003]) {
      writeFileSync(join(node.folder, 'up'), randomBytes(size));
      await ok('put up\nget up down\n');
      assert.ok(
        readFileSync(join(node.folder, 'up')).equals(readFileSync(join(node.folder, 'down'))),
        `${size} bytes`,
      );
    }
  });

  it('moves a large file', async () => {
    const block = randomBytes(1 << 20);
    writeFileSync(join(node.folder, 'large'), Buffer.concat(Array.from({ length: 300 }, () => block)));
    await ok('put large\nget large large2\nrm large\n');
    await execa('cmp', [join(node.folder, 'large'), join(node.folder, 'large2')]);
    rmSync(join(node.folder, 'large2'));
  });

  it('makes, lists, renames, links and removes', async () => {
    writeFileSync(join(node.folder, 'up'), 'text');
    const listed = await ok(
      'mkdir d\nput up d/one\nrename d/one d/two\nsymlink two d/link\nln d/two d/hard\nchmod 640 d/two\nls -la d\ndf\npwd\n',
    );
    assert.match(listed, /-rw-r----- +2 alice +alice +4 .* two/);
    assert.match(listed, /lrwxrwxrwx .* link/);
    await ok('rm d/link\nrm d/two\nrm d/hard\nrmdir d\n');
    assert.equal(existsSync(join(node.filesRoot, 'alice/d')), false);
  });

  it('says what is wrong', async () => {
    await ok('mkdir full\nput up full/x\n');
    for (const [command, why] of [
      ['get nothing', /not found|No such file/],
      ['rmdir full', /not empty|Failure/],
      ['mkdir full', /exists|Failure/],
      ['rm full', /directory|Failure/],
      ['put up /../../../full/x/y', /No such file|not a directory/],
    ] as const) {
      const result = await node.sftp(`${command}\n`);
      assert.notEqual(result.exitCode, 0, command);
      assert.match(result.all, why, command);
      assert.ok(!result.all.includes(node.folder) || command.startsWith('put'), 'no path of this host');
    }
  });

  it('resumes half an upload and half a download', async () => {
    const bytes = randomBytes(500_000);
    writeFileSync(join(node.folder, 'whole'), bytes);
    writeFileSync(join(node.filesRoot, 'alice/whole'), bytes.subarray(0, 200_000));
    await ok('reput whole\n');
    assert.ok(readFileSync(join(node.filesRoot, 'alice/whole')).equals(bytes));
    writeFileSync(join(node.folder, 'part'), bytes.subarray(0, 123_456));
    await ok('reget whole part\n');
    assert.ok(readFileSync(join(node.folder, 'part')).equals(bytes));
  });

  it('works with scp', async () => {
    const target = `alice@127.0.0.1:by-scp`;
    const options = [
      '-F',
      '/dev/null',
      '-i',
      node.keyFile,
      '-o',
      'StrictHostKeyChecking=no',
      '-o',
      'UserKnownHostsFile=/dev/null',
    ];
    await execa('scp', ['-q', ...options, '-P', String(node.port), join(node.folder, 'whole'), target]);
    assert.equal(statSync(join(node.filesRoot, 'alice/by-scp')).size, 500_000);
  });

  it('lets the right password in and the wrong one not', async () => {
    const login = (password: string, user: string) =>
      execa(
        'sshpass',
        [
          ...[
            '-p',
            password,
            'sftp',
            '-q',
            '-F',
            '/dev/null',
            '-o',
            'PubkeyAuthentication=no',
            '-o',
            'NumberOfPasswordPrompts=1',
          ],
          ...['-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null'],
          ...['-P', String(node.port), `${user}@127.0.0.1`],
        ],
        { input: 'pwd\n', reject: false, all: true },
      );
    assert.equal((await login('secret', 'bob')).exitCode, 0);
    assert.notEqual((await login('wrong', 'bob')).exitCode, 0);
    assert.notEqual((await login('secret', 'alice')).exitCode, 0, 'alice has no password');
    assert.notEqual((await login('secret', 'nobody')).exitCode, 0);
  });

  it("refuses a key that is not the user's, and a user that is not there", async () => {
    const other = join(node.folder, 'other');
    await execa('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', other]);
    assert.equal((await node.sftp('pwd\n', { keyFile: other })).exitCode, 255);
    assert.equal((await node.sftp('pwd\n', { user: 'nobody' })).exitCode, 255);
    assert.equal((await node.sftp('pwd\n')).exitCode, 0);
  });

  it('exchanges keys anew in the middle of transfers', async () => {
    const bytes = randomBytes(20_000_000);
    writeFileSync(join(node.folder, 'rekeyed'), bytes);
    const result = await node.sftp('put rekeyed\nget rekeyed back\n', { options: ['-o', 'RekeyLimit=1M'] });
    assert.equal(result.exitCode, 0, result.all);
    assert.ok(readFileSync(join(node.folder, 'back')).equals(bytes));
  });

  it('takes directories named with a slash at the end', async () => {
    const session = new RawSession(await node.rawChannel());
    assert.equal(await session.mkdir('/slash/'), statusCode.ok);
    assert.equal(await session.paths(packetType.rename, '/slash/', '/moved/'), statusCode.ok);
    assert.equal(await session.paths(packetType.rmdir, '/moved/'), statusCode.ok);
    assert.notEqual(await session.paths(packetType.rmdir, '/'), statusCode.ok);
    session.client.destroy();
  });

  it('appends whole WRITEs, from two sessions at once', async () => {
    const sessions = [new RawSession(await node.rawChannel()), new RawSession(await node.rawChannel())];
    await Promise.all(
      sessions.map(async (session, index) => {
        const flags = openFlag.write | openFlag.create | openFlag.append;
        const handle = await session.open('/log', flags);
        assert.ok(handle !== null);
        const line = Buffer.alloc(100_000, `${index}`);
        await Promise.all(Array.from({ length: 20 }, () => session.write(handle, 0, line)));
        assert.equal(await session.close(handle), statusCode.ok);
        session.client.destroy();
      }),
    );
    const text = readFileSync(join(node.filesRoot, 'alice/log'), 'latin1');
    assert.equal(text.length, 4_000_000);
    const runs = text.match(/0+|1+/g) ?? [];
    assert.ok(runs.every((run) => run.length % 100_000 === 0));
  });

  it('leaves nothing open when a request fails half-way', async () => {
    const session = new RawSession(await node.rawChannel());
    assert.equal(await session.mkdir('/there'), statusCode.ok);
    // A pipe can be opened but has no size; how large a file may be differs from one file system to the next.
    const pipe = join(node.filesRoot, 'alice/pipe');
    await execa('mkfifo', [pipe]);
    const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
    const before = node.descriptors().length;
    const resizePipe = new FieldWriter().text('/pipe').u32(attributeFlag.size).u64(1);
    for (let turn = 0; turn < 20; turn++) {
      assert.notEqual(await session.status(packetType.setstat, resizePipe), statusCode.ok);
      assert.notEqual(await session.mkdir('/there'), statusCode.ok);
      assert.notEqual(await session.paths(packetType.rename, '/none', '/there/x'), statusCode.ok);
      assert.equal(await session.open('/there', openFlag.write | openFlag.create), null);
    }
    assert.equal(node.descriptors().length, before);
    closeSync(reader);
    rmSync(pipe);
    session.client.destroy();
  });

  it('is no shell, and forwards nothing', async () => {
    for (const args of [['id'], [], ['-N', '-o', 'ExitOnForwardFailure=yes', '-R', '0:localhost:1']]) {
      const result = await node.ssh(args);
      assert.notEqual(result.exitCode, 0, args.join(' '));
      assert.ok(!result.all.includes('uid='));
    }
  });

  it('keeps users in their homes', async () => {
    writeFileSync(join(node.filesRoot, 'outside'), 'secret');
    symlinkSync('../outside', join(node.filesRoot, 'alice/escape'));
    symlinkSync('/etc', join(node.filesRoot, 'alice/etc'));
    for (const path of ['../outside', '/../outside', 'escape', 'etc/passwd', '../bob/x']) {
      const result = await node.sftp(`get ${path} stolen\n`);
      assert.notEqual(result.exitCode, 0, path);
      assert.equal(existsSync(join(node.folder, 'stolen')), false, path);
    }
  });

  it('survives garbage on the wire, while others go on', async () => {
    for (const garbage of [
      randomBytes(5000),
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      Buffer.from('SSH-2.0-x\r\n'),
      Buffer.concat([Buffer.from('SSH-2.0-x\r\n'), randomBytes(3000)]),
    ]) {
      const socket = connect(node.port, '127.0.0.1');
      socket.on('error', () => {});
      socket.write(garbage);
      await delay(50);
      socket.destroy();
    }
    const packets = [
      randomBytes(2000),
      Buffer.from([0xff, 0xff, 0xff, 0xff, 3, 0, 0, 0, 0]),
      Buffer.from([0, 0, 0, 1, 6]),
      Buffer.from([
        0, 0, 0, 5, 1, 0, 0, 0, 3, 0, 0, 0, 5, 3, 0, 0, 0, 1, 0, 0, 0, 9, 6, 0, 0, 0, 2, 0, 0, 0, 4,
      ]),
    ];
    for (const packet of packets) {
      const { client, channel } = await node.rawChannel();
      channel.on('error', () => {});
      channel.resume();
      channel.write(packet);
      await delay(80);
      client.destroy();
    }
    await ok('pwd\n');
  });

  it('forgets handles of sessions that broke off', async () => {
    const descriptors = () => node.descriptors().length;
    await node.isQuiet();
    const before = descriptors();
    for (let turn = 0; turn < 5; turn++) {
      const upload = node.sftp('put large half\n', { options: ['-l', '2000'] });
      await delay(300);
      upload.kill('SIGKILL');
      await upload;
    }
    await waitFor('the descriptors to be closed', () => descriptors() <= before);
  });
});

describe('the SFTP node and its guarantees', { timeout: 120_000 }, () => {
  let node: NodeFixture;
  beforeEach(async () => {
    node = new NodeFixture();
    await node.prepare();
    writeFileSync(join(node.folder, 'up'), 'text');
  });
  afterEach(() => node.dispose());

  it('acknowledges nothing before it is on the standbys (G3)', async () => {
    await node.start();
    await node.openGate(600_000);
    assert.equal((await node.sftp('pwd\n')).exitCode, 0);
    for (const command of [
      'put up',
      'mkdir d',
      'rename up moved',
      'symlink moved l',
      'ln moved hard',
      'chmod 600 moved',
      'rm l',
      'rmdir d',
    ]) {
      node.engine.acknowledges = false;
      let ended = false;
      const before = node.engine.waiting;
      const running = node.sftp(`${command}\n`).then((result) => {
        ended = true;
        return result;
      });
      await waitFor(`${command} to wait`, () => node.engine.waiting > before);
      await delay(150);
      assert.equal(ended, false, `${command} was acknowledged without a standby`);
      node.engine.acknowledges = true;
      node.engine.acknowledgeAll();
      assert.equal((await running).exitCode, 0, command);
    }
  });

  it('changes nothing before its gate is open, and says so', async () => {
    await node.start();
    const early = await node.sftp('put up\n');
    assert.notEqual(early.exitCode, 0);
    assert.deepEqual(node.engine.kinds, ['mkdir'], 'a home alone');
    await node.openGate(600_000);
    assert.equal((await node.sftp('put up\n')).exitCode, 0);
  });

  it('waits a moment for the gate', async () => {
    await node.start();
    const running = node.sftp('put up\n');
    await delay(400);
    await node.openGate(600_000);
    assert.equal((await running).exitCode, 0);
  });

  it('lets clients go when the gate ends, and acknowledges nothing after (G1)', async () => {
    await node.start();
    await node.openGate(1200);
    node.engine.acknowledges = false;
    const running = node.sftp('put up\n');
    await waitFor('the close in the journal', () => node.engine.kinds.includes('close'));
    await delay(1300);
    node.engine.acknowledgeAll();
    assert.notEqual((await running).exitCode, 0);
    assert.notEqual((await node.sftp('pwd\n')).exitCode, 0, 'newcomers are refused');
  });

  it('writes nothing while the replicator is away, and goes on when it is back', async () => {
    await node.start();
    await node.openGate(600_000);
    assert.equal((await node.sftp('put up\n')).exitCode, 0);
    await node.engine.kill();
    const refused = await node.sftp('put up two\n');
    assert.notEqual(refused.exitCode, 0);
    assert.match(refused.all, /replicator|Failure/);
    await node.engine.start();
    await waitFor('writes to work again', async () => (await node.sftp('put up three\n')).exitCode === 0);
  });

  it('is gone at once when the channel to the supervisor closes', async () => {
    await node.start();
    await node.openGate(600_000);
    const { client } = await node.rawChannel();
    const closed = new Promise<void>((resolve) => client.on('close', () => resolve()));
    node.disconnect();
    await node.hasExited;
    await closed;
  });

  it('takes new users, and cuts removed ones off', async () => {
    await node.start();
    await node.openGate(600_000);
    const good = readFileSync(join(node.configRoot, 'users.yaml'), 'utf8');
    const { client } = await node.rawChannel();
    const cut = new Promise<void>((resolve) => client.on('close', () => resolve()));
    node.writeUsers(good.replace('name: alice', 'name: carol'));
    await cut;
    assert.notEqual((await node.sftp('pwd\n')).exitCode, 0);
    assert.equal((await node.sftp('pwd\n', { user: 'carol' })).exitCode, 0);
  });

  it('keeps the users of the last good file (G7)', async () => {
    await node.start();
    await node.openGate(600_000);
    const file = join(node.configRoot, 'users.yaml');
    const good = readFileSync(file, 'utf8');
    const { client } = await node.rawChannel();
    let cut = false;
    client.on('close', () => {
      cut = true;
    });
    const troubles: (() => void)[] = [
      () => node.writeUsers('users: [broken\n'),
      () => rmSync(file),
      () => symlinkSync('users.yaml', file),
      () => {
        rmSync(file);
        mkdirSync(file);
      },
      () => {
        rmSync(file, { recursive: true });
        // As an editor does that writes in place.
        node.writeUsers('');
        setTimeout(() => node.writeUsers(good), 30);
      },
    ];
    for (const trouble of troubles) {
      trouble();
      await delay(400);
      assert.equal((await node.sftp('pwd\n')).exitCode, 0, String(trouble));
      assert.equal(cut, false, String(trouble));
    }
    client.destroy();
  });

  it("makes no home by way of a link in somebody else's", async () => {
    await node.start();
    await node.openGate(600_000);
    const users = readFileSync(join(node.configRoot, 'users.yaml'), 'utf8');
    node.writeUsers(`${users}    home: alice/bob/inner\n`);
    assert.equal((await node.sftp(`symlink ${node.folder} bob\n`)).exitCode, 0);
    await delay(300);
    assert.notEqual((await node.sftp('pwd\n', { user: 'bob' })).exitCode, 0);
    assert.equal(existsSync(join(node.folder, 'inner')), false);
    assert.equal((await node.sftp('rm bob\n')).exitCode, 0);
    assert.equal((await node.sftp('pwd\n', { user: 'bob' })).exitCode, 0);
    assert.ok(statSync(join(node.filesRoot, 'alice/bob/inner')).isDirectory());
  });

  it('fails an upload within seconds when writes are refused', async () => {
    await node.start();
    await node.openGate(600_000);
    assert.equal((await node.sftp('put up\n')).exitCode, 0);
    node.engine.refuse('no standby is in sync');
    writeFileSync(join(node.folder, 'many'), randomBytes(4_000_000));
    const result = await node.sftp('put many\n');
    assert.notEqual(result.exitCode, 0);
    assert.match(result.all, /no standby is in sync|Failure/);
    node.engine.refuse(null);
    assert.equal((await node.sftp('put many\n')).exitCode, 0);
  });

  const failures: [what: string, code: string, breakIt: (fixture: NodeFixture) => void][] = [
    [
      'no host keys',
      'HOST_KEY_UNREADABLE',
      ({ configRoot }) => rmSync(join(configRoot, 'host_keys'), { recursive: true }),
    ],
    [
      'a host key for all to read',
      'HOST_KEY_PERMISSIONS',
      ({ configRoot }) => chmodSync(join(configRoot, 'host_keys/ssh_host_ed25519_key'), 0o644),
    ],
    [
      'a broken host key',
      'HOST_KEY_INVALID',
      ({ configRoot }) => writeFileSync(join(configRoot, 'host_keys/ssh_host_ed25519_key'), 'x'),
    ],
  ];
  for (const [what, code, breakIt] of failures) {
    it(`does not start with ${what}: ${code}`, async () => {
      breakIt(node);
      const answer = await node.start();
      assert.ok(answer.type === 'failed' && answer.code === code, JSON.stringify(answer));
      await node.hasExited;
    });
  }

  it('starts with broken users, and lets the last good ones in (G7)', async () => {
    const good = readFileSync(join(node.configRoot, 'users.yaml'));
    mkdirSync(join(node.configRoot, '.last-good'), { mode: 0o700 });
    writeFileSync(join(node.configRoot, '.last-good/users.yaml'), good);
    node.writeUsers('users: 7\n');
    await node.start();
    await node.openGate(600_000);
    assert.equal((await node.sftp('pwd\n')).exitCode, 0);
  });

  it('starts with users that are a folder, and lets nobody in when none were ever good (G7)', async () => {
    rmSync(join(node.configRoot, 'users.yaml'));
    symlinkSync('.', join(node.configRoot, 'users.yaml'));
    await node.start();
    await node.openGate(600_000);
    assert.notEqual((await node.sftp('pwd\n')).exitCode, 0);
  });

  it('does not start on a port in use: PORT_IN_USE', async () => {
    const squatter = createServer();
    await new Promise<void>((resolve) => squatter.listen(0, '127.0.0.1', resolve));
    const address = squatter.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const answer = await node.start({ port });
    squatter.close();
    assert.ok(answer.type === 'failed' && answer.code === 'PORT_IN_USE', JSON.stringify(answer));
  });
});
