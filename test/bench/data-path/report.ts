import Table from 'cli-table3';

export interface Bench {
  readonly home: string;
  /** The LD_PRELOAD library that slows flushes down. */
  readonly library: string;
  readonly megabytes: number;
  readonly rounds: number;
  readonly cipher: string | null;
  /** Names of the contestants that run; null: all. */
  readonly only: readonly string[] | null;
  /** Which models of the disk are measured; null: all. */
  readonly flushMs: readonly number[] | null;
}

export interface Report {
  readonly title: string;
  readonly rows: readonly Record<string, string | number>[];
  /** What the rows are medians of. */
  readonly details: unknown;
}

export function print({ title, rows, details }: Report, json: boolean): void {
  if (json) {
    console.log(JSON.stringify({ title, rows, details }));
    return;
  }
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const table = new Table({ head: columns, style: { head: [], border: [] } });
  for (const row of rows) table.push(columns.map((column) => row[column] ?? ''));
  console.log(`${title}\n${table.toString()}`);
}
