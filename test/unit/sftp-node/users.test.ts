import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import ssh2 from 'ssh2';
import { parseAccounts } from '../../../sftp-node/auth/users.ts';

const key = ssh2.utils.generateKeyPairSync('ecdsa', { bits: 256 }).public;

describe('users.yaml', () => {
  it('gives accounts; disabled users are none', () => {
    const accounts = parseAccounts(
      `users:\n  - name: alice\n    publicKeys: ["${key}"]\n  - { name: bob, home: partners/bob }\n  - { name: eve, disabled: true }\n`,
      'users.yaml',
    );
    assert.deepEqual([...accounts.keys()], ['alice', 'bob']);
    assert.equal(accounts.get('alice')?.home, 'alice');
    assert.equal(accounts.get('alice')?.keys.length, 1);
    assert.equal(accounts.get('bob')?.home, 'partners/bob');
  });

  const refused: [text: string, why: RegExp][] = [
    ['users:\n  - name: a\n  - nmae: b\n', /users.yaml:3: users.1/],
    ['users:\n  - name: a\n  - name: a\n', /users.yaml:3: .*"a" stands twice/],
    ['users:\n  - { name: a, home: ../b }\n', /users.yaml:2: .*relative path/],
    ['users:\n  - { name: a, home: /etc }\n', /relative path/],
    ['users:\n  - { name: "a b" }\n', /letters, digits/],
    [
      'users:\n  - { name: a, publicKeys: [ssh-ed25519] }\n',
      /users.yaml:2: user a: a public key cannot be read/,
    ],
    ['users:\n  - { name: a, passwordHash: secret }\n', /argon2id/],
    ['users: [\n', /users.yaml:/],
  ];
  for (const [text, why] of refused) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseAccounts(text, 'users.yaml'), why);
    });
  }

  it('marks those who may sign with SHA-1, and nobody else', () => {
    const accounts = parseAccounts(
      'users:\n  - { name: old, legacySha1: true }\n  - { name: new }\n',
      'users.yaml',
    );
    assert.equal(accounts.get('old')?.legacySha1, true);
    assert.equal(accounts.get('new')?.legacySha1, false);
    assert.throws(
      () => parseAccounts('users: [{ name: a, legacySha1: yes please }]', 'users.yaml'),
      /legacySha1/,
    );
  });

  it('is empty for an empty file', () => {
    assert.equal(parseAccounts('', 'users.yaml').size, 0);
  });
});
