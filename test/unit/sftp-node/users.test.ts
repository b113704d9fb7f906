import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import ssh2 from 'ssh2';
import { parseUsersFile } from '#contracts/config-root/users-file.ts';
import type { Logger } from '#contracts/log.ts';
import { accountsOf, Users } from '../../../sftp-node/auth/users.ts';
import { readHostKeys } from '../../../sftp-node/host-keys.ts';

const { public: publicKey, private: privateKey } = ssh2.utils.generateKeyPairSync('ecdsa', { bits: 256 });

describe('users.yaml', () => {
  const parse = (text: string) => accountsOf(parseUsersFile(text, 'users.yaml'));

  it('gives accounts; disabled users are none', () => {
    const accounts = parse(
      `users:\n  - name: alice\n    publicKeys: ["${publicKey}"]\n  - { name: bob, home: partners/bob }\n  - { name: eve, disabled: true }\n`,
    );
    assert.deepEqual([...accounts.keys()], ['alice', 'bob']);
    assert.equal(accounts.get('alice')?.home, 'alice');
    assert.equal(accounts.get('alice')?.keys.length, 1);
    assert.equal(accounts.get('bob')?.home, 'partners/bob');
  });

  it('marks those who may sign with SHA-1, and nobody else', () => {
    const accounts = parse('users:\n  - { name: old, legacySha1: true }\n  - { name: new }\n');
    assert.equal(accounts.get('old')?.legacySha1, true);
    assert.equal(accounts.get('new')?.legacySha1, false);
    assert.equal(parse('users: [{ name: a, legacySha1: yes please }]').size, 0);
  });

  it('is empty for a list of nobody, and an empty file is a mistake', () => {
    assert.equal(parse('users: []').size, 0);
    for (const text of ['', '\n', '# users:\n']) {
      assert.throws(() => parse(text), { code: 'USERS_INVALID', message: /:1: the file is empty/ });
    }
  });
});

describe('a start of the SFTP node', () => {
  let root: string;
  let told: { code: string; msg: string }[];
  let users: Users | null = null;
  const note = ({ code = '' }: { code?: string }, msg: string) => told.push({ code, msg });
  const log = { error: note, warn: note, info: () => {} } as unknown as Logger;
  const write = (path: string, text: string, mode = 0o600) => writeFileSync(join(root, path), text, { mode });
  beforeEach(() => {
    told = [];
    root = mkdtempSync(join(tmpdir(), 'holdfast-start-'));
    for (const folder of ['host_keys', '.last-good/host_keys']) {
      mkdirSync(join(root, folder), { recursive: true });
    }
  });
  afterEach(() => {
    users?.close();
    users = null;
    rmSync(root, { recursive: true });
  });
  const start = () => {
    users = new Users(root, log);
    return users;
  };

  it('goes by the last good users when users.yaml is invalid, and says so by line', () => {
    write('users.yaml', 'users:\n  - nme: x\n');
    write('.last-good/users.yaml', 'users:\n  - name: alice\n');
    assert.ok(start().find('alice'));
    assert.equal(told[0]?.code, 'USERS_INVALID');
    assert.match(String(told[0]?.msg), /users.yaml:2: .*; the last good version is in force/);
  });

  it('goes by the last good users when users.yaml is gone', () => {
    write('.last-good/users.yaml', 'users:\n  - name: alice\n');
    assert.ok(start().find('alice'));
    assert.equal(told[0]?.code, 'USERS_UNREADABLE');
  });

  it('serves nobody, rather than failing, when there never were good users', () => {
    write('users.yaml', 'users: [\n');
    assert.equal(start().find('alice'), undefined);
    assert.match(String(told[0]?.msg), /there is no good version/);
  });

  it('leaves out one user, by name, and lets the others in', () => {
    write('users.yaml', 'users:\n  - { name: bob, home: /etc }\n  - { name: alice }\n');
    const started = start();
    assert.ok(started.find('alice'));
    assert.equal(started.find('bob'), undefined);
    assert.deepEqual(
      told.map(({ code }) => code),
      ['USER_LEFT_OUT'],
    );
  });

  const key = 'host_keys/ssh_host_ecdsa_key';
  const bad: [what: string, code: string, spoil: () => void][] = [
    ['malformed', 'HOST_KEY_INVALID', () => write(key, 'garbage')],
    ['a public one', 'HOST_KEY_INVALID', () => write(key, publicKey)],
    ['open to others', 'HOST_KEY_PERMISSIONS', () => write(key, privateKey, 0o644)],
    ['unreadable', 'HOST_KEY_UNREADABLE', () => mkdirSync(join(root, key), 0o700)],
    ['gone', 'HOST_KEY_UNREADABLE', () => {}],
  ];
  for (const [what, code, spoil] of bad) {
    it(`goes by the last good host key when the key is ${what}`, () => {
      spoil();
      write(`.last-good/${key}`, privateKey);
      assert.deepEqual(readHostKeys(root, log), [Buffer.from(privateKey)]);
      assert.deepEqual(
        told.map((line) => line.code),
        [code],
      );
    });
  }

  it('leaves out a host key that never was good, as long as there is another', () => {
    write(key, privateKey);
    write('host_keys/ssh_host_rsa_key', 'garbage');
    assert.deepEqual(readHostKeys(root, log), [Buffer.from(privateKey)]);
    assert.deepEqual(
      told.map((line) => line.code),
      ['HOST_KEY_INVALID'],
    );
  });

  it('fails, with the reason, when no host key was ever good', () => {
    assert.throws(() => readHostKeys(root, log), { code: 'HOST_KEY_UNREADABLE' });
    write(key, 'garbage');
    assert.throws(() => readHostKeys(root, log), { code: 'HOST_KEY_INVALID' });
  });
});
