import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { describe, it } from 'node:test';

const source = new URL('../../../contracts/log.ts', import.meta.url);

/** Logs so many lines, says so on standard error, and one line more when it is told to. */
const program = (lines: number) => `
  import { createLogger } from '${source}';
  const log = createLogger('supervisor', 'info');
  for (let number = 1; number <= ${lines}; number++) log.info({ number, password: 'x' }, 'a line');
  console.error('done');
  process.stdin.once('data', () => { log.info('the last'); process.exit(0); });
`;

describe('the log', { timeout: 30_000 }, () => {
  /** It is told to end when it has said `before`. */
  async function linesOf(lines: number, before: RegExp): Promise<Record<string, unknown>[]> {
    const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', program(lines)]);
    // Nobody reads standard output until the program has gone on regardless.
    await once(child.stderr, 'data');
    const read: Record<string, unknown>[] = [];
    const reader = createInterface({ input: child.stdout });
    reader.on('line', (line) => {
      read.push(JSON.parse(line));
      if (before.test(line)) child.stdin.write('go\n');
    });
    await once(reader, 'close');
    return read;
  }

  it('is complete to the end of the process, and keeps secrets to itself', async () => {
    const lines = await linesOf(100, /"number":100,/);
    assert.equal(lines.length, 101);
    assert.deepEqual(
      [lines[99]?.number, lines[99]?.password, lines[100]?.msg],
      [100, '[Redacted]', 'the last'],
    );
  });

  it('holds nobody up when it is not read, and then says how many lines were lost', async () => {
    const written = 50_000;
    const lines = await linesOf(written, /were lost/);
    const lost = lines.find(({ msg }) => /were lost/.test(String(msg)))?.lines;
    const kept = lines.filter(({ number }) => number !== undefined).length;
    assert.equal(kept + Number(lost), written);
    assert.equal(lines.at(-1)?.msg, 'the last');
  });
});
