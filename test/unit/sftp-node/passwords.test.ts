import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PasswordChecker } from '../../../sftp-node/auth/passwords.ts';
import { passwordHash } from './login-door.ts';

describe('a password', () => {
  const open = new AbortController().signal;
  const check = (hash: string | null, password: string, closed = open) =>
    new PasswordChecker().check({ hash, password, source: 'a', closed });

  it('is right or wrong by its hash', async () => {
    const hash = await passwordHash('secret');
    assert.equal(await check(hash, 'secret'), 'right');
    assert.equal(await check(hash, 'Secret'), 'wrong');
    assert.equal(await check(null, 'secret'), 'wrong');
  });

  const salt = '$YWJjZGVmZ2hpamtsbW5vcA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';
  const unusable = [
    ['no hash', '$argon2id$secret'],
    ['a cut one', '$argon2id$v=19$m=1024,t=1,p=1$YWJj'],
    ['one that takes 257 MiB', `$argon2id$v=19$m=${257 * 1024},t=1,p=1${salt}`],
    ['one that takes a hundred passes', `$argon2id$v=19$m=1024,t=100,p=1${salt}`],
  ] as const;
  for (const [what, hash] of unusable) {
    it(`matches nothing when users.yaml has ${what}`, async () => {
      assert.equal(await check(hash, 'secret'), 'unusable');
    });
  }

  it('is given up when the connection is gone', async () => {
    const hash = await passwordHash('secret');
    assert.equal(await check(hash, 'secret', AbortSignal.abort()), 'abandoned');
  });
});
