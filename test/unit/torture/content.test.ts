import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Content } from '../../torture/model/content.ts';

const bytes = (text: string) => Buffer.from(text, 'latin1');

function contentOf(text: string): Content {
  return new Content(bytes(text));
}

/** What may be there, of these. */
function allowed(content: Content, ...texts: readonly string[]): string[] {
  return texts.filter((text) => content.reasonAgainst(bytes(text)) === null);
}

describe('what a file may contain', () => {
  it('is what was acknowledged, to the byte', () => {
    const content = contentOf('abc');
    assert.deepEqual(allowed(content, 'abc', 'abd', 'ab', 'abcd', ''), ['abc']);
    assert.match(content.reasonAgainst(bytes('abd')) ?? '', /^from byte 2 of 3/);
    assert.match(content.reasonAgainst(bytes('ab')) ?? '', /^2 bytes where 3 may be/);
  });

  it('is either side of a write that no barrier covers, in any part', () => {
    const content = contentOf('abcd');
    content.change({ kind: 'write', offset: 1, data: bytes('XY') });
    assert.deepEqual(allowed(content, 'abcd', 'aXYd', 'aXcd', 'abYd', 'XbYd', 'aXY'), [
      'abcd',
      'aXYd',
      'aXcd',
      'abYd',
    ]);
  });

  it('is the written alone once a barrier was acknowledged', () => {
    const content = contentOf('abcd');
    content.change({ kind: 'write', offset: 1, data: bytes('XY') });
    content.confirm();
    assert.deepEqual(allowed(content, 'abcd', 'aXYd', 'aXcd'), ['aXYd']);
  });

  it('stays in doubt after a barrier when a write before it was refused, until it is read and made durable', () => {
    const content = contentOf('abcd');
    content.change({ kind: 'write', offset: 1, data: bytes('XY') });
    content.doubt();
    content.confirm();
    assert.ok(!content.isSettled);
    assert.deepEqual(allowed(content, 'abcd', 'aXYd'), ['abcd', 'aXYd']);
    content.adopt(bytes('abcd'));
    assert.deepEqual(allowed(content, 'abcd', 'aXYd'), ['abcd']);
  });

  it('grows by a part of a write beyond its end, and may have a hole before it', () => {
    const content = contentOf('ab');
    content.change({ kind: 'write', offset: 4, data: bytes('XY') });
    assert.deepEqual(allowed(content, 'ab', 'ab\0\0X', 'ab\0\0XY', 'ab\0\0', 'abc', 'ab\0\0\0Y'), [
      'ab',
      'ab\0\0X',
      'ab\0\0XY',
      'ab\0\0\0Y',
    ]);
  });

  it('may be truncated, and then has zeros where it grew again', () => {
    const content = contentOf('abcd');
    content.change({ kind: 'size', size: 1 });
    content.change({ kind: 'size', size: 4 });
    assert.deepEqual(allowed(content, 'abcd', 'a', 'a\0\0\0', 'ab', '\0\0\0\0'), ['abcd', 'a', 'a\0\0\0']);
    content.confirm();
    assert.deepEqual(allowed(content, 'abcd', 'a\0\0\0'), ['a\0\0\0']);
  });

  it('is anything when not even where a change went is known', () => {
    const content = contentOf('abcd');
    content.forget();
    content.confirm();
    assert.deepEqual(allowed(content, 'abcd', 'zz'), ['abcd', 'zz']);
    content.adopt(bytes('zz'));
    assert.deepEqual(allowed(content, 'abcd', 'zz'), ['zz']);
  });
});
