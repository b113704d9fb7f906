import type { Random } from '../../sim/timeline.ts';

const maxNameBytes = 255;

/** A name of a small choice, so that names come back, and now and then one of bytes that few expect. One byte a character. */
export function drawName(random: Random): string {
  if (!random.chance(0.25))
    return `${random.pick(['a', 'b', 'c', 'd', 'e', 'f'])}${Math.floor(random.next() * 8)}`;
  return random.pick([
    () => ` -rf ${Math.floor(random.next() * 9)}\n`,
    () => `..${Math.floor(random.next() * 9)}`,
    () => `\\${Math.floor(random.next() * 9)}'"$(x)*?`,
    () => `\u00e4\u0000`.replace('\u0000', '\xff'),
    () => oddBytes(random, 1 + Math.floor(random.next() * 8)),
    () => oddBytes(random, maxNameBytes),
    () => 'n'.repeat(maxNameBytes - 2) + Math.floor(random.next() * 90 + 10),
    () => Buffer.from(`gr\u00fc\u00dfe-${Math.floor(random.next() * 9)}`, 'utf8').toString('latin1'),
  ])();
}

/** Any but a slash, a zero, and what would begin with a dot. */
function oddBytes(random: Random, length: number): string {
  const draw = () => String.fromCharCode(1 + Math.floor(random.next() * 255));
  return Array.from({ length }, () => {
    for (;;) {
      const byte = draw();
      if (byte !== '/' && byte !== '.') return byte;
    }
  }).join('');
}
