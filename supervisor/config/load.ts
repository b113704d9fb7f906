import { readFileSync } from 'node:fs';
import { type Document, LineCounter, parseDocument } from 'yaml';
import { HoldfastError, messageOf } from '#contracts/errors.ts';
import { commandFileProblem } from './command-file.ts';
import { type ConfigProblem, problemAt, problemsOf } from './problems.ts';
import { type Config, configSchema } from './schema.ts';

export type ConfigResult =
  | { readonly config: Config; readonly problems: readonly [] }
  | { readonly config: null; readonly problems: readonly ConfigProblem[] };

/** Larger than any sensible configuration; keeps a wrong path (a log, a disk) from being read whole. */
const maxConfigBytes = 1024 * 1024;

/** Reads and checks holdfast.yaml. Finds every problem, not only the first. */
export function parseConfig(text: string): ConfigResult {
  return parse(text).result;
}

function parse(text: string): { result: ConfigResult; document: Document; lines: LineCounter } {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  return { result: resultOf(document, lines), document, lines };
}

function resultOf(document: ReturnType<typeof parseDocument>, lines: LineCounter): ConfigResult {
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
  return parseConfig(readText(file));
}

/**
 * As `readConfigFile`, and looks at the executables of this host that it names. Not for the start of the service: a
 * host whose executable is missing tells so as one that may not lead.
 * @throws HoldfastError CONFIG_UNREADABLE
 */
export async function checkConfigFile(file: string): Promise<readonly ConfigProblem[]> {
  const { result, document, lines } = parse(readText(file));
  if (result.config === null) return result.problems;
  const problems: ConfigProblem[] = [];
  for (const [index, vip] of result.config.vips.entries()) {
    if (!('command' in vip)) continue;
    const problem = await commandFileProblem(vip.command);
    const path = ['vips', index, 'command'];
    if (problem !== null) problems.push(problemAt({ path, ...problem }, document, lines));
  }
  return problems;
}

function readText(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new HoldfastError('CONFIG_UNREADABLE', `${file} cannot be read: ${messageOf(cause)}`, { cause });
  }
  if (text.length > maxConfigBytes) {
    throw new HoldfastError('CONFIG_UNREADABLE', `${file} is larger than 1 MiB: not a holdfast.yaml`);
  }
  return text;
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
