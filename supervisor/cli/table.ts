import Table from 'cli-table3';

/** What a terminal shows without breaking lines. */
const widestLine = 80;
const gap = 2;

const noBorders = Object.fromEntries(
  [
    ...['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left', 'bottom-right'],
    ...['left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid', 'middle'],
  ].map((part) => [part, '']),
);

/**
 * A table for people, within 80 columns: what is too long in the last column goes on in the next line. Only columns
 * that are too wide without it make it wider.
 */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map(
    (title, index) => Math.max(...[title, ...rows.map((row) => row[index] ?? '')].map(length)) + gap,
  );
  const last = widths.length - 1;
  const others = widths.slice(0, last).reduce((sum, width) => sum + width, 0);
  const longestWord = Math.max(...[head, ...rows].flatMap((row) => (row[last] ?? '').split(' ').map(length)));
  widths[last] = Math.min(widths[last] ?? 0, Math.max(widestLine - others, longestWord)) + 1;
  const made = new Table({
    head: [...head],
    chars: noBorders,
    colWidths: widths,
    wordWrap: true,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 1 },
  });
  for (const row of rows) made.push([...row]);
  return made
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

function length(text: string): number {
  return text.length;
}
