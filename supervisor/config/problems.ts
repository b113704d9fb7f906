import { closest, distance } from 'fastest-levenshtein';
import { type Document, isMap, isPair, isSeq, type LineCounter, type Node } from 'yaml';
import * as z from 'zod';
import { configSchema } from './schema.ts';

/** One thing wrong in holdfast.yaml. Lines and columns count from 1. */
export interface ConfigProblem {
  readonly line: number;
  readonly column: number;
  /** `lease.ttl`, `vips[0].address`; empty for the file as a whole. */
  readonly path: string;
  readonly what: string;
  /** What to write instead. */
  readonly instead: string;
}

type Path = readonly PropertyKey[];
type JsonSchema = {
  properties?: Record<string, JsonSchema>;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  enum?: unknown[];
  description?: string;
  example?: unknown;
  default?: unknown;
};

/** The schema as JSON Schema: descriptions, examples and known keys by path. */
export const jsonSchema = z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;

/** Turns the schema library's issues into lines that a sysadmin can act on, in the order of the file. */
export function problemsOf(error: z.ZodError, document: Document, lines: LineCounter): ConfigProblem[] {
  return error.issues
    .flatMap((issue) => expand(issue))
    .map((found) => problemAt(found, document, lines))
    .sort((a, b) => a.line - b.line || a.column - b.column);
}

interface Found {
  readonly path: Path;
  readonly what: string;
  readonly instead: string;
}

/** A problem with the place in the file where its setting stands. */
export function problemAt(
  { path, what, instead }: Found,
  document: Document,
  lines: LineCounter,
): ConfigProblem {
  const { line, col } = lines.linePos(offsetOf(document, path));
  return { line, column: col, path: formatPath(path), what, instead };
}

function expand(issue: z.core.$ZodIssue): Found[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      path: [...issue.path, key],
      what: 'is not a setting',
      instead: suggestKey(key, Object.keys(schemaAt(issue.path)?.properties ?? {})),
    }));
  }
  return [{ path: issue.path, what: describe(issue), instead: exampleAt(issue.path) }];
}

function describe(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type') {
    return issue.input === undefined ? 'is missing' : `is not ${article(issue.expected)}`;
  }
  if (issue.code === 'invalid_value') return `is none of ${issue.values.map(String).join(', ')}`;
  if (issue.code === 'too_small') return `is too small: at least ${issue.minimum}`;
  if (issue.code === 'too_big') return `is too big: at most ${issue.maximum}`;
  return issue.message;
}

function article(type: string): string {
  const name =
    { int: 'whole number', object: 'section of settings', array: 'list', string: 'text' }[type] ?? type;
  return `a ${name}`;
}

function suggestKey(key: string, known: string[]): string {
  if (known.length === 0) return 'remove it';
  const best = closest(key, known);
  return distance(key, best) <= Math.max(2, key.length / 3)
    ? `did you mean "${best}"?`
    : `known here: ${known.join(', ')}`;
}

function exampleAt(path: Path): string {
  const schema = schemaAt(path);
  if (schema?.example === undefined) return schema?.description ?? '';
  const name = path.findLast((part) => typeof part === 'string');
  const value = JSON.stringify(schema.example).replaceAll('"', '');
  return typeof path.at(-1) === 'number'
    ? `write for example: ${value}`
    : `write for example: ${String(name)}: ${value}`;
}

function schemaAt(path: Path): JsonSchema | undefined {
  let schema: JsonSchema | undefined = jsonSchema;
  for (const part of path) {
    schema = typeof part === 'number' ? schema?.items : schema?.properties?.[String(part)];
  }
  return schema;
}

/** Where the value stands, or its key when it is empty, or the nearest section around it when it is missing. */
function offsetOf(document: Document, path: Path): number {
  for (let length = path.length; length > 0; length--) {
    const parent = length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true);
    const key = path[length - 1];
    if (isMap(parent)) {
      const pair = parent.items.find((item) => isPair(item) && String(item.key) === String(key));
      const start = (pair?.key as Node | undefined)?.range?.[0];
      if (start !== undefined) return start;
    }
    if (isSeq(parent) && typeof key === 'number') {
      const start = (parent.items[key] as Node | undefined)?.range?.[0];
      if (start !== undefined) return start;
    }
  }
  return 0;
}

function formatPath(path: Path): string {
  return path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .replace(/^\./, '');
}
