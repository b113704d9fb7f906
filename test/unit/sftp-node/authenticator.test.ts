import assert from 'node:assert/strict';
import { afterEach, before, beforeEach, describe, it } from 'node:test';
import type ssh2 from 'ssh2';
import { type Answer, signatureOf } from '../../lab/raw-login.ts';
import { keyPair, LoginDoor, passwordHash, publicLine } from './login-door.ts';

const alices = keyPair();
const strangers = keyPair();
const rsa = keyPair('rsa');
const ecdsa = keyPair('ecdsa');

describe('a login', () => {
  let users = '';
  before(async () => {
    const keys = (all: ssh2.ParsedKey[]) => JSON.stringify(all.map(publicLine));
    users = `users:
  - { name: alice, publicKeys: ${keys([alices, rsa, ecdsa])}, passwordHash: "${await passwordHash('secret')}" }
  - { name: old, publicKeys: ${keys([rsa])}, legacySha1: true }
  - { name: broken, passwordHash: "$argon2id$v=19$m=many,t=2,p=1$YWJj$YWJj" }
  - { name: garbled, passwordHash: $argon2id$nothing }
  - { name: hungry, passwordHash: "$argon2id$v=19$m=4000000,t=2,p=1$YWJjZGVmZ2hpamtsbW5vcA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" }
`;
  });
  let door: LoginDoor;
  beforeEach(() => {
    door = new LoginDoor(users);
  });
  afterEach(() => door.close());
  const open = async () => ({ door, login: await door.connect() });
  const codes = (door: LoginDoor) => door.lines.flatMap(({ code }) => (code === undefined ? [] : [code]));

  describe('with a key', () => {
    for (const key of [alices, ecdsa]) {
      it(`is taken with ${key.type}`, async () => {
        const { door, login } = await open();
        assert.equal(await login.offer('alice', key), 'key would do');
        assert.equal(await login.signed('alice', key), 'success');
        assert.deepEqual(door.logins, [{ user: 'alice', method: 'publickey', algorithm: key.type }]);
      });
    }

    const wrong: [string, (blob: Buffer) => Buffer][] = [
      ['of something else', (blob) => signatureOf(alices, Buffer.concat([blob, blob]), 'ssh-ed25519')],
      ['of another key', (blob) => signatureOf(strangers, blob, 'ssh-ed25519')],
      ['of zeros', () => Buffer.alloc(64)],
      ['of no bytes', () => Buffer.alloc(0)],
    ];
    for (const [what, sign] of wrong) {
      it(`is refused with a signature ${what}, and counts once`, async () => {
        const { door, login } = await open();
        assert.equal(await login.signed('alice', alices, 'ssh-ed25519', sign), 'failure');
        assert.deepEqual(door.logins, []);
        assert.equal(door.lines.filter(({ audit }) => audit === 'login-failed').length, 1);
        assert.equal(door.failuresLeft(), 29);
      });
    }

    it('is refused for a key of nobody, of another user, and for a user that is not there', async () => {
      const { door, login } = await open();
      assert.equal(await login.signed('alice', strangers), 'failure');
      for (const user of ['old', 'nobody']) {
        const other = await door.connect();
        assert.equal(await other.signed(user, alices), 'failure');
      }
      assert.deepEqual(door.logins, []);
    });

    it('is refused when the algorithm named is not that of the key, signed or not', async () => {
      const named: [string, ssh2.ParsedKey, string][] = [
        // Signed with SHA-1, as the user may under the key's own name.
        ['old', rsa, 'ssh-ed25519'],
        ['old', rsa, 'anything'],
        ['alice', rsa, 'ssh-ed25519'],
        ['alice', rsa, 'ecdsa-sha2-nistp256'],
        ['alice', alices, 'rsa-sha2-512'],
        ['alice', alices, 'ecdsa-sha2-nistp256'],
        ['alice', ecdsa, 'ssh-ed25519'],
      ];
      for (const [user, key, algorithm] of named) {
        const { door, login } = await open();
        const what = `${user}'s ${key.type} as ${algorithm}`;
        assert.equal(await login.offer(user, key, algorithm), 'failure', what);
        // ssh2 closes where the signature cannot even be read as one of that algorithm.
        assert.match(await login.signed(user, key, algorithm), /^(failure|closed)$/, what);
        assert.deepEqual(door.logins, []);
      }
    });
  });

  describe('with an RSA key', () => {
    for (const algorithm of ['rsa-sha2-256', 'rsa-sha2-512']) {
      it(`is taken with ${algorithm}`, async () => {
        const { door, login } = await open();
        assert.equal(await login.algorithmAnswered('alice', rsa, algorithm), algorithm);
        assert.equal(await login.signed('alice', rsa, algorithm), 'success');
        assert.deepEqual(door.logins, [{ user: 'alice', method: 'publickey', algorithm }]);
      });
    }

    it('is refused with SHA-1, signed or not, and the log says why, once', async () => {
      const { door, login } = await open();
      assert.equal(await login.offer('alice', rsa), 'failure');
      assert.equal(await login.signed('alice', rsa), 'failure');
      assert.deepEqual(door.logins, []);
      assert.deepEqual(codes(door), ['SHA1_REFUSED']);
      assert.equal(door.lines.find(({ code }) => code === 'SHA1_REFUSED')?.algorithm, 'ssh-rsa');
      assert.equal(await login.signed('alice', rsa, 'rsa-sha2-512'), 'success');
    });

    it('is refused with SHA-1 under the name of a better signature', async () => {
      const { door, login } = await open();
      const sign = (blob: Buffer) => signatureOf(rsa, blob, 'ssh-rsa');
      assert.equal(await login.signed('alice', rsa, 'rsa-sha2-512', sign), 'failure');
      assert.deepEqual(door.logins, []);
    });

    it('is taken with SHA-1 from a user that is marked for it, and the log names it', async () => {
      const { door, login } = await open();
      assert.equal(await login.algorithmAnswered('old', rsa, 'ssh-rsa'), 'ssh-rsa');
      assert.equal(await login.signed('old', rsa), 'success');
      assert.deepEqual(door.logins, [{ user: 'old', method: 'publickey', algorithm: 'ssh-rsa' }]);
      assert.deepEqual(codes(door), []);
    });
  });

  describe('of an agent with many keys', () => {
    it('gets to the last of fifty, and none of them is a failure', async () => {
      const { door, login } = await open();
      for (let turn = 0; turn < 49; turn++) assert.equal(await login.offer('alice', strangers), 'failure');
      assert.equal(await login.offer('alice', alices), 'key would do');
      assert.equal(await login.signed('alice', alices), 'success');
      assert.equal(door.failuresLeft(), 30);
    });

    it('gets to the password after ten keys', async () => {
      const { door, login } = await open();
      await login.none('alice');
      for (let turn = 0; turn < 10; turn++) await login.offer('alice', strangers);
      assert.equal(await login.password('alice', 'secret'), 'success');
      assert.equal(door.failuresLeft(), 30);
    });

    const endless: [string, (login: Awaited<ReturnType<LoginDoor['connect']>>) => Promise<Answer>][] = [
      ['keys that do not fit', (login) => login.offer('alice', strangers)],
      ['a key that would do, without ever signing', (login) => login.offer('alice', alices)],
      ['no method', (login) => login.none('alice')],
    ];
    for (const [what, ask] of endless) {
      it(`is hung up on after a hundred and one offers of ${what}`, async () => {
        const { login } = await open();
        let asked = 0;
        while ((await ask(login)) !== 'closed') asked += 1;
        assert.equal(asked, 101);
      });
    }
  });

  describe('with a password', () => {
    it('is taken when it is right', async () => {
      const { door, login } = await open();
      assert.equal(await login.password('alice', 'secret'), 'success');
      assert.deepEqual(door.logins, [{ user: 'alice', method: 'password', algorithm: null }]);
    });

    it('is hung up on after the sixth wrong one, each counted once', async () => {
      const { door, login } = await open();
      for (let turn = 0; turn < 6; turn++) assert.equal(await login.password('alice', 'wrong'), 'failure');
      assert.equal(await login.password('alice', 'secret'), 'closed');
      assert.deepEqual(door.logins, []);
      assert.equal(door.failuresLeft(), 24);
    });

    it('tries six times in all, also when more are sent at once', async () => {
      const { door, login } = await open();
      const answers = await login.together(() =>
        Array.from({ length: 9 }, (_, turn) => login.password('alice', turn < 6 ? 'wrong' : 'secret')),
      );
      assert.deepEqual(answers, [...Array(6).fill('failure'), ...Array(3).fill('closed')]);
      assert.deepEqual(door.logins, []);
    });

    it('takes no key behind the sixth wrong try of what is sent at once', async () => {
      const { login } = await open();
      const answers = await login.together(() => [
        login.password('alice', 'wrong'),
        ...Array.from({ length: 5 }, () => login.signed('alice', strangers)),
        login.signed('alice', alices),
      ]);
      assert.deepEqual(answers, [...Array(6).fill('failure'), 'closed']);
      assert.deepEqual(door.logins, []);
    });

    it('answers requests that were sent at once in their order', async () => {
      const { door, login } = await open();
      const answers = await login.together(() => [
        login.password('alice', 'wrong'),
        login.offer('alice', alices),
        login.none('alice'),
        login.signed('alice', alices),
      ]);
      assert.deepEqual(answers, ['failure', 'key would do', 'failure', 'success']);
      assert.equal(door.logins.length, 1);
    });

    it('refuses a change of password, and counts it', async () => {
      const { door, login } = await open();
      const answer = await login.request((wire) => wire.authPassword('alice', 'secret', 'another'));
      assert.equal(answer, 'failure');
      assert.equal(door.failuresLeft(), 29);
    });

    for (const user of ['broken', 'hungry']) {
      it(`is refused for a hash that cannot be used (${user}), and the log says whose`, async () => {
        const { door, login } = await open();
        assert.equal(await login.password(user, 'secret'), 'failure');
        assert.deepEqual(door.logins, []);
        const line = door.lines.find(({ code }) => code === 'USERS_INVALID');
        assert.equal(line?.user, user);
      });
    }

    it('is refused for users without one, or with one that is none, and for nobody', async () => {
      const { door, login } = await open();
      assert.equal(await login.password('old', ''), 'failure');
      for (const user of ['garbled', 'nobody']) {
        assert.equal(await (await door.connect()).password(user, 'secret'), 'failure');
      }
      assert.deepEqual(door.logins, []);
    });

    it('waits its turn in a crowd: a hundred right ones at once are all taken', async () => {
      const crowd = await Promise.all(Array.from({ length: 100 }, () => door.connect()));
      const answers = await Promise.all(crowd.map((login) => login.password('alice', 'secret')));
      assert.deepEqual(new Set(answers), new Set(['success']));
      assert.equal(door.failuresLeft(), 30);
    });
  });
});
