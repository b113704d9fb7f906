/** Logins as OpenSSH and others do them, and what stands between a client and its login. */
import assert from 'node:assert/strict';
import { readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { hash } from '@node-rs/argon2';
import { execa } from 'execa';
import { RawLogin } from '../../lab/raw-login.ts';
import { waitFor } from '../../lab/wait.ts';
import { NodeFixture, passwordHash } from './fixture.ts';
import { packetType, RawSession, statusCode } from './raw-session.ts';

async function newKey(node: NodeFixture, name: string, ...type: string[]) {
  const file = join(node.folder, name);
  await execa('ssh-keygen', ['-q', '-t', ...type, '-N', '', '-C', name, '-f', file]);
  return { file, line: readFileSync(`${file}.pub`, 'utf8').trim() };
}

describe('logging in with OpenSSH', { timeout: 120_000 }, () => {
  const node = new NodeFixture();
  let rsa = { file: '', line: '' };
  before(async () => {
    await node.prepare();
    rsa = await newKey(node, 'rsa', 'rsa', '-b', '2048');
    writeUsers('');
    await node.start();
    await node.openGate(600_000);
  });
  after(() => node.dispose());

  function writeUsers(ofOld: string): void {
    const keys = `publicKeys: ["${rsa.line}", "${readFileSync(`${node.keyFile}.pub`, 'utf8').trim()}"]`;
    node.writeUsers(`users:\n  - { name: alice, ${keys} }\n  - { name: old, ${keys}${ofOld} }\n`);
  }
  const login = (user: string, algorithm: string, ...rest: string[]) =>
    node.sftp('pwd\n', {
      user,
      keyFile: rsa.file,
      options: ['-o', `PubkeyAcceptedAlgorithms=${algorithm}`, ...rest],
    });

  it('takes RSA keys with SHA-256 and SHA-512, and announces both', async () => {
    for (const algorithm of ['rsa-sha2-256', 'rsa-sha2-512']) {
      const { exitCode, all } = await login('alice', algorithm, '-vv');
      assert.equal(exitCode, 0, all);
      const announced = /server-sig-algs=<([^>]*)>/.exec(all)?.[1]?.split(',');
      assert.deepEqual(announced, [
        'ssh-ed25519',
        'ecdsa-sha2-nistp256',
        'ecdsa-sha2-nistp384',
        'ecdsa-sha2-nistp521',
        'rsa-sha2-512',
        'rsa-sha2-256',
      ]);
    }
    const methods = node.lines.filter(({ audit }) => audit === 'login').map(({ algorithm }) => algorithm);
    assert.deepEqual(methods, ['rsa-sha2-256', 'rsa-sha2-512']);
  });

  it('takes SHA-1 from a user marked for it alone, once users.yaml says so', async () => {
    assert.notEqual((await login('old', 'ssh-rsa')).exitCode, 0);
    writeUsers(', legacySha1: true');
    await waitFor('the users to be read', async () => (await login('old', 'ssh-rsa')).exitCode === 0);
    assert.notEqual((await login('alice', 'ssh-rsa')).exitCode, 0);
    await waitFor('the log', () => node.lines.find(({ code }) => code === 'SHA1_REFUSED'));
    assert.equal((await login('old', 'rsa-sha2-512')).exitCode, 0);
  });

  it('exchanges keys with a client that would rather do a group exchange', async () => {
    const kex = 'KexAlgorithms=diffie-hellman-group-exchange-sha256';
    const { exitCode, all } = await node.sftp('pwd\n', {
      options: ['-o', `${kex},diffie-hellman-group14-sha256`],
    });
    assert.equal(exitCode, 0, all);
    assert.notEqual((await node.sftp('pwd\n', { options: ['-o', kex] })).exitCode, 0);
    const line = await waitFor('the log', () =>
      node.lines.find(({ code }) => code === 'NO_COMMON_ALGORITHM'),
    );
    assert.match(
      String(line.msg),
      /no matching key exchange algorithm; the client offers diffie-hellman-group-exchange-sha256,.*; the server offers curve25519-sha256/,
    );
    assert.match(String(line.client), /^SSH-2.0-OpenSSH/);
  });

  it('gets to the tenth key of an agent', async () => {
    const others = await Promise.all(Array.from({ length: 9 }, (_, n) => newKey(node, `key${n}`, 'ed25519')));
    const identities = others.flatMap(({ file }) => ['-o', `IdentityFile=${file}`]);
    const { exitCode, all } = await node.sftp('pwd\n', {
      keyFile: others[0]?.file ?? '',
      options: [...identities, '-o', `IdentityFile=${node.keyFile}`],
    });
    assert.equal(exitCode, 0, all);
  });

  it('makes LINK point to TARGET, in whichever order a client of that name sends them', async () => {
    const made: [identification: string, link: string, first: string, second: string][] = [
      ['OpenSSH_9.2p1', 'one', 'target', 'one'],
      ['paramiko_3.5.0', 'two', 'target', 'two'],
      ['AsyncSSH_2.24.0', 'three', 'three', 'target'],
      ['WinSCP_release_6.5.3', 'four', 'four', 'target'],
      ['phpseclib_3.0', 'five', 'five', 'target'],
      ['libssh_0.11.2', 'six', 'six', 'target'],
    ];
    for (const [identification, link, first, second] of made) {
      const session = new RawSession(await node.rawChannel('alice', identification));
      assert.equal(await session.paths(packetType.symlink, first, second), statusCode.ok);
      session.client.destroy();
      assert.equal(readlinkSync(join(node.filesRoot, 'alice', link)), 'target', identification);
    }
  });
});

describe('the node at its door', { timeout: 120_000 }, () => {
  let node: NodeFixture;
  beforeEach(async () => {
    node = new NodeFixture();
    await node.prepare();
  });
  afterEach(() => node.dispose());
  const failed = () => node.lines.filter(({ audit }) => audit === 'login-failed').length;

  async function wrongPasswords(count: number): Promise<void> {
    const login = await RawLogin.to(node.port);
    for (let turn = 0; turn < count; turn++) assert.equal(await login.password('bob', 'wrong'), 'failure');
    login.close();
  }

  it('refuses an address after thirty failed logins, whoever comes from it', async () => {
    await node.start();
    await node.openGate(600_000);
    for (let turn = 0; turn < 5; turn++) await wrongPasswords(turn < 4 ? 6 : 5);
    assert.equal((await node.sftp('pwd\n')).exitCode, 0, 'after twenty-nine');
    await wrongPasswords(1);
    assert.notEqual((await node.sftp('pwd\n')).exitCode, 0, 'after thirty');
  });

  it('forgets a password that waits when its connection closes', async () => {
    const slow = await hash('secret', { memoryCost: 64 * 1024, timeCost: 12 });
    node.writeUsers(`users:\n  - { name: bob, passwordHash: "${slow}" }\n`);
    await node.start();
    await node.openGate(600_000);
    const gone = await Promise.all(Array.from({ length: 8 }, () => RawLogin.to(node.port)));
    for (const login of gone) void login.password('bob', 'wrong');
    await delay(50);
    for (const login of gone) login.close();
    const login = await RawLogin.to(node.port);
    assert.equal(await login.password('bob', 'secret'), 'success');
    login.close();
    // Two of the eight were under way, and count.
    await waitFor('the log', () => node.lines.some(({ audit }) => audit === 'login'));
    assert.ok(failed() <= 4, `${failed()} of eight were checked`);
  });

  it('does not start on an ssh2 without our patch: SSH2_UNPATCHED', async () => {
    const unpatch = join(node.folder, 'unpatch.cjs');
    const library = join(import.meta.dirname, '../../../node_modules/ssh2');
    writeFileSync(unpatch, `delete require(${JSON.stringify(library)}).holdfastPatch;\n`);
    node.execArgv = ['--require', unpatch];
    const answer = await node.start();
    assert.ok(answer.type === 'failed' && answer.code === 'SSH2_UNPATCHED', JSON.stringify(answer));
  });

  it('does not start with a host key for the group to read: HOST_KEY_PERMISSIONS', async () => {
    await execa('chmod', ['640', join(node.configRoot, 'host_keys/ssh_host_ed25519_key')]);
    const answer = await node.start();
    assert.ok(answer.type === 'failed' && answer.code === 'HOST_KEY_PERMISSIONS', JSON.stringify(answer));
  });

  it('logs no password, of those that are taken or refused', async () => {
    node.writeUsers(`users:\n  - { name: bob, passwordHash: "${await passwordHash('t0p-secret')}" }\n`);
    await node.start();
    await node.openGate(600_000);
    const login = await RawLogin.to(node.port);
    assert.equal(await login.password('bob', 'n0t-it'), 'failure');
    assert.equal(await login.password('bob', 't0p-secret'), 'success');
    login.close();
    await waitFor('the log', () => node.lines.some(({ audit }) => audit === 'login'));
    assert.doesNotMatch(JSON.stringify(node.lines), /t0p-secret|n0t-it|argon2id/);
  });
});
