import type { Stats } from 'node:fs';

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const sixMonthsMs = 182 * 24 * 3600 * 1000;

/** A line as `ls -l` prints it, in UTC; clients show it and some parse it. `nowMs` is the wall clock. */
export function longname(name: Buffer, stats: Stats, owner: string, nowMs: number): Buffer {
  const links = String(stats.nlink).padStart(4);
  const size = String(stats.size).padStart(10);
  const line = `${modeText(stats)} ${links} ${owner.padEnd(8)} ${owner.padEnd(8)} ${size} ${dateText(stats.mtimeMs, nowMs)} `;
  return Buffer.concat([Buffer.from(line, 'utf8'), name]);
}

function modeText(stats: Stats): string {
  const type = stats.isDirectory() ? 'd' : stats.isSymbolicLink() ? 'l' : '-';
  const bits = [...'rwxrwxrwx'].map((letter, index) => ((stats.mode >> (8 - index)) & 1 ? letter : '-'));
  return type + bits.join('');
}

function dateText(timeMs: number, nowMs: number): string {
  const date = new Date(timeMs);
  const day = `${months[date.getUTCMonth()]} ${String(date.getUTCDate()).padStart(2)}`;
  const isRecent = timeMs <= nowMs && nowMs - timeMs < sixMonthsMs;
  const clock = `${String(date.getUTCHours()).padStart(2, '0')}:${String(date.getUTCMinutes()).padStart(2, '0')}`;
  return `${day} ${isRecent ? clock : String(date.getUTCFullYear()).padStart(5)}`;
}
