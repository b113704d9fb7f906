import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defaultAllowance } from '#contracts/engine/limits.ts';
import { Credits } from '../../../../sftp-node/engine/credits.ts';

const pieceBytes = 32 * 1024;

/** What a session takes that is never acknowledged. */
function takeAll(credits: Credits): number {
  let bytes = 0;
  while (credits.mayTakeData({ bytes, requests: 0 })) {
    credits.took(pieceBytes);
    bytes += pieceBytes;
  }
  return bytes;
}

describe('the credits of a connection', () => {
  it('are had by one session up to its own, and half by the next', () => {
    const mebibyte = 1024 * 1024;
    const allowance = { connectionCreditBytes: 8 * mebibyte, sessionCreditBytes: 4 * mebibyte };
    const credits = new Credits({ ...defaultAllowance, ...allowance });
    const taken = [1, 2, 3].map(() => takeAll(credits));
    assert.deepEqual(
      taken,
      [4, 2, 1].map((mebibytes) => mebibytes * mebibyte),
    );
  });

  it('leave each session its share, however many are held up', () => {
    const credits = new Credits(defaultAllowance);
    for (let session = 0; session < 500; session++) assert.ok(takeAll(credits) >= pieceBytes);
  });

  it('bound what is sent as the engine does', () => {
    const credits = new Credits(defaultAllowance);
    const { sessionCreditBytes, connectionCreditBytes, sessionShareBytes, requests } = defaultAllowance;
    assert.equal(credits.maySendData({ bytes: sessionCreditBytes - 1, requests: 0 }), true);
    assert.equal(credits.maySendData({ bytes: sessionCreditBytes, requests: 0 }), false);
    assert.equal(credits.maySendData({ bytes: 0, requests }), false);
    credits.sent(connectionCreditBytes);
    assert.equal(credits.maySendData({ bytes: sessionShareBytes, requests: 0 }), false);
    assert.equal(credits.maySendData({ bytes: sessionShareBytes - 1, requests: 0 }), true);
    credits.answered(connectionCreditBytes, 1);
    assert.equal(credits.maySendData({ bytes: sessionShareBytes, requests: 0 }), true);
  });
});
