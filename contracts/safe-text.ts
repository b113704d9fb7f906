/**
 * Bytes that clients chose, as text that changes no terminal and no log line: what is not UTF-8 as `\xff`; control and
 * format characters, line ends and the backslash escaped. Different bytes give different texts.
 *
 * @param maxLength of the text in UTF-16 units; what is longer is cut, with `...` at the end
 */
export function safeText(bytes: Buffer, maxLength = Number.POSITIVE_INFINITY): string {
  const cut = bytes.subarray(0, Math.min(bytes.length, maxLength * 4));
  let text = '';
  for (const character of decode(cut)) {
    text += character;
    if (text.length > maxLength) break;
  }
  if (text.length <= maxLength && cut.length === bytes.length) return text;
  return `${text.slice(0, Math.max(0, maxLength - 3)).replace(/[\ud800-\udbff]$/, '')}...`;
}

function* decode(bytes: Buffer): Generator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  for (let at = 0; at < bytes.length; ) {
    const length = lengthOf(bytes[at] ?? 0);
    const part = bytes.subarray(at, at + length);
    try {
      yield escaped(decoder.decode(part));
      at += length;
    } catch {
      yield `\\x${(bytes[at] ?? 0).toString(16).padStart(2, '0')}`;
      at += 1;
    }
  }
}

/** Of a character by its first byte. */
function lengthOf(first: number): number {
  if (first < 0xc0) return 1;
  return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

function escaped(character: string): string {
  if (character === '\\') return '\\\\';
  if (!/[\p{C}\p{Zl}\p{Zp}]/u.test(character)) return character;
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}
