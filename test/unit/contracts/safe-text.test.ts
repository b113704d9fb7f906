import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { safeText } from '#contracts/safe-text.ts';

describe('safe text', () => {
  for (const [what, bytes, text] of [
    ['plain names', Buffer.from('a b/ü.€😀'), 'a b/ü.€😀'],
    [
      'control characters',
      Buffer.from('\x1b[2J\r\n\t\x7f\u009b'),
      '\\u{1b}[2J\\u{d}\\u{a}\\u{9}\\u{7f}\\u{9b}',
    ],
    ['marks that turn the direction, and line ends', Buffer.from('\u202e\u2028'), '\\u{202e}\\u{2028}'],
    ['what is not UTF-8', Buffer.from([0x61, 0xff, 0xc3, 0x62]), 'a\\xff\\xc3b'],
    ['a character that is cut', Buffer.from([0xe2, 0x82]), '\\xe2\\x82'],
    ['the backslash', Buffer.from('\\xff'), '\\\\xff'],
  ] as const) {
    it(`has ${what}`, () => assert.equal(safeText(bytes), text));
  }

  it('is cut at its length, never within a character', () => {
    assert.equal(safeText(Buffer.from('abcdefgh'), 8), 'abcdefgh');
    assert.equal(safeText(Buffer.from('abcdefghi'), 8), 'abcde...');
    assert.equal(safeText(Buffer.from('abcd😀😀😀'), 8), 'abcd...');
    assert.equal(safeText(Buffer.alloc(65_536, 1), 20).length, 20);
  });
});
