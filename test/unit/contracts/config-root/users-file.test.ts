import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import ssh2 from 'ssh2';
import { parseUsersFile } from '#contracts/config-root/users-file.ts';

const { public: key, private: privateKey } = ssh2.utils.generateKeyPairSync('ecdsa', { bits: 256 });
const hash =
  '$argon2id$v=19$m=19456,t=2,p=1$YWJjZGVmZ2hpamtsbW5vcA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';
const securityKey = 'sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29t alice@token';

function parse(text: string) {
  const { entries, leftOut } = parseUsersFile(text, 'users.yaml');
  return {
    names: entries.map(({ user }) => user.name),
    entries,
    told: leftOut.map(({ sentence }) => sentence),
  };
}

describe('a mistake in one entry of users.yaml', () => {
  const others = '  - { name: zoe }\n';
  const alone: [what: string, entries: string, told: RegExp][] = [
    ['an unknown field', '  - name: bob\n    hoem: x\n', /^users.yaml:2: user bob is left out: .*"hoem"/],
    [
      'a home outside',
      '  - name: bob\n    home: ../x\n',
      /^users.yaml:3: user bob is left out: home: .*relative path/,
    ],
    ['an absolute home', '  - { name: bob, home: /etc }\n', /relative path/],
    [
      'a name that cannot be',
      '  - { name: "b b" }\n',
      /^users.yaml:2: user "b b" is left out: name: letters, digits/,
    ],
    ['a name that YAML reads as a number', '  - name: 4711\n', /user 4711 is left out: name: .*string/],
    [
      'a hash of another kind',
      '  - { name: bob, passwordHash: secret }\n',
      /user bob is left out: passwordHash: an argon2id/,
    ],
    [
      'a hash cut short',
      `  - { name: bob, passwordHash: "${hash.slice(0, 40)}" }\n`,
      /user bob is left out: .*argon2id/,
    ],
    [
      'an only key that is none',
      '  - { name: bob, publicKeys: [ssh-ed25519] }\n',
      /user bob is left out: key 1 \(ssh-ed25519\) cannot be read/,
    ],
    [
      'an only key of an unknown kind',
      `  - name: bob\n    publicKeys:\n      - ${securityKey}\n`,
      /^users.yaml:4: user bob is left out: key 1 \(sk-ssh-ed25519@openssh.com\) cannot be read/,
    ],
  ];
  for (const [what, entry, told] of alone) {
    it(`leaves out that user alone, by name and line: ${what}`, () => {
      const parsed = parse(`users:\n${entry}${others}`);
      assert.deepEqual(parsed.names, ['zoe']);
      assert.equal(parsed.told.length, 1);
      assert.match(String(parsed.told[0]), told);
    });
  }

  it('leaves out a key alone where the user has another one, or a password', () => {
    const parsed = parse(
      `users:\n  - name: bob\n    publicKeys:\n      - ${securityKey}\n      - ${key}\n  - name: eve\n    passwordHash: ${hash}\n    publicKeys: [garbage]\n`,
    );
    assert.deepEqual(parsed.names, ['bob', 'eve']);
    assert.deepEqual(
      parsed.entries.map(({ keys }) => keys.length),
      [1, 0],
    );
    assert.match(String(parsed.told[0]), /^users.yaml:4: user bob goes without one key: key 1 \(sk-ssh/);
    assert.match(String(parsed.told[1]), /^users.yaml:8: user eve goes without one key: key 1/);
  });

  it('leaves out whoever stands twice, since nobody can tell which is meant', () => {
    const parsed = parse(`users:\n  - { name: bob }\n${others}  - { name: bob, home: other }\n`);
    assert.deepEqual(parsed.names, ['zoe']);
    assert.deepEqual(parsed.told, [
      'users.yaml:2: user bob is left out: the name stands twice',
      'users.yaml:4: user bob is left out: the name stands twice',
    ]);
  });

  it('says it in a bounded sentence, whatever is in the file', () => {
    const fields = Array.from({ length: 100 }, (_, index) => `${'x'.repeat(900)}${index}: 1`).join(', ');
    const parsed = parse(`users:\n  - { name: bob, ${fields} }\n${others}`);
    assert.ok(String(parsed.told[0]).length < 500);
    assert.throws(
      () => parseUsersFile(`users:\n  - { ${fields} }\n`, 'users.yaml'),
      (error: Error) => error.message.length < 500,
    );
  });

  it('takes no private key for a public one, and shows nothing of it', () => {
    const parsed = parse(`users:\n  - name: bob\n    publicKeys:\n      - ${JSON.stringify(privateKey)}\n`);
    assert.deepEqual(parsed.names, []);
    assert.match(String(parsed.told), /is a private key/);
    assert.ok(!parsed.told.join().includes(privateKey.slice(60, 90)));
  });
});

describe('a users.yaml that is invalid as a whole', () => {
  const refused: [text: string, why: RegExp][] = [
    ['users: [\n', /^users.yaml:\d+: /],
    ['users:\n  - name: a\n  - nmae: b\n', /^users.yaml:3: users.1.name: .*string/],
    ['users:\n  - a\n', /^users.yaml:2: users.0.name/],
    ['usres: []\n', /^users.yaml:1: .*"usres"/],
    ['- name: a\n', /^users.yaml:1: .*object/],
    ['users: { a: {} }\n', /^users.yaml:1: users: .*array/],
    [`a: &a [1]\nusers: [${'*a, '.repeat(300)}]\n`, /alias/i],
  ];
  for (const [text, why] of refused) {
    it(`says why, by line: ${JSON.stringify(text.slice(0, 40))}`, () => {
      assert.throws(
        () => parseUsersFile(text, 'users.yaml'),
        (error: Error & { code?: string }) => error.code === 'USERS_INVALID' && why.test(error.message),
      );
    });
  }
});
