import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { History, shownEntry } from '../../torture/history.ts';

function historyOf(...entries: readonly (readonly [what: string, ...paths: string[]])[]): History {
  const history = new History();
  for (const [what, ...paths] of entries) history.sent('client', what, paths)('ok');
  return history;
}

describe('the history of a path', () => {
  it('goes back through its names and the folders above it', () => {
    const history = historyOf(
      ['open', 'd/a'],
      ['open', 'd/other'],
      ['rename', 'd/a', 'd/b'],
      ['rename', 'd', 'e'],
      ['write', 'e/b'],
    );
    assert.deepEqual(
      history.about('e/b').map(({ what }) => what),
      ['open', 'rename', 'rename', 'write'],
    );
  });

  it('leaves out what another file did under that name after it was renamed away', () => {
    const history = historyOf(['open', 'a'], ['rename', 'a', 'b'], ['close', 'b']);
    assert.deepEqual(
      history.about('b', 2).map(({ what }) => what),
      ['rename', 'close'],
    );
  });

  it('tells when, what was answered, and who led', () => {
    const history = historyOf(['remove', 'odd\xff name']);
    const [entry] = history.about('odd\xff name');
    assert.ok(entry);
    const text = shownEntry(entry, entry.sentAt - 1500, [{ epoch: 7, node: 'b', since: entry.sentAt - 1 }]);
    assert.match(text, /^ +1\.500 s client remove odd\\xff\\x20name: ok after \d+ ms \[epoch 7, b\]$/);
  });

  it('counts, and keeps what was refused', () => {
    const history = new History();
    history.sent('client', 'mkdir', ['a'])('refused', 'No space left on the server');
    history.sent('client', 'mkdir', ['b'])('lost');
    assert.deepEqual(history.counts, { sent: 0, ok: 0, refused: 1, lost: 1 });
    assert.deepEqual([...history.refusals], [['No space left on the server', 1]]);
  });
});
