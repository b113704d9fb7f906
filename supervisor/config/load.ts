import { readFileSync } from 'node:fs';
import { LineCounter, parseDocument } from 'yaml';
import { HoldfastError, messageOf } from '#contracts/errors.ts';
import { type ConfigProblem, problemsOf } from './problems.ts';
import { type Config, configSchema } from './schema.ts';

export type ConfigResult =
  | { readonly config: Config; readonly problems: readonly [] }
  | { readonly config: null; readonly problems: readonly ConfigProblem[] };

/** Larger than any sensible configuration; keeps a wrong path (a log, a disk) from being read whole. */
const maxConfigBytes = 1024 * 1024;

/** Reads and checks holdfast.yaml. Finds every problem, not only the first. */
export function parseConfig(text: string): ConfigResult {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  if (document.errors.length > 0) {
    const problems = document.errors.map((error) => {
      const { line, col } = lines.linePos(error.pos[0]);
      return {
        line,
        column: col,
        path: '',
        what: `is not YAML: ${error.message}`,
        instead: 'mend the YAML first',
      };
    });
    return { config: null, problems };
  }
  const result = configSchema.safeParse(document.toJS({ maxAliasCount: 100 }) ?? {}, { reportInput: true });
  if (result.success) return { config: result.data, problems: [] };
  return { config: null, problems: problemsOf(result.error, document, lines) };
}

/** @throws HoldfastError CONFIG_UNREADABLE */
export function readConfigFile(file: string): ConfigResult {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new HoldfastError('CONFIG_UNREADABLE', `${file} cannot be read: ${messageOf(cause)}`, { cause });
  }
  if (text.length > maxConfigBytes) {
    throw new HoldfastError('CONFIG_UNREADABLE', `${file} is larger than 1 MiB: not a holdfast.yaml`);
  }
  return parseConfig(text);
}

/** `holdfast.yaml:12:3  lease.ttl is not a duration; write for example: ttl: 3s` */
export function formatProblem(file: string, problem: ConfigProblem): string {
  const subject = problem.path === '' ? 'the file' : problem.path;
  const advice = problem.instead === '' ? '' : `; ${problem.instead}`;
  return `${file}:${problem.line}:${problem.column}  ${subject} ${problem.what}${advice}`;
}

/** @throws HoldfastError CONFIG_UNREADABLE, CONFIG_INVALID with every problem in its message */
export function loadConfig(file: string): Config {
  const { config, problems } = readConfigFile(file);
  if (config !== null) return config;
  const list = problems.map((problem) => formatProblem(file, problem)).join('\n');
  throw new HoldfastError('CONFIG_INVALID', `${file} has ${problems.length} problem(s):\n${list}`);
}
