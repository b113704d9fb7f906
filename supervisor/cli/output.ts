import { Option } from 'commander';
import { HoldfastError, messageOf } from '#contracts/errors.ts';
import { type ExitName, exitCodes } from './exit-codes.ts';

/**
 * With `--json` a command prints one JSON document on standard output and nothing else there, be it the answer or
 * `{"error": ...}`. What is for people on the way goes to standard error.
 */
export const jsonOption = () => new Option('--json', 'machine-readable, errors as well');

export function printLine(line: string): void {
  process.stdout.write(`${line}\n`);
}

export function printJson(value: unknown): void {
  printLine(JSON.stringify(value, null, 2));
}

/** The answer of a command: for a program, or for people. */
export function printAnswer(json: boolean | undefined, value: unknown, text: () => string): void {
  if (json === true) printJson(value);
  else printLine(text().replace(/\n$/, ''));
}

/** How this process ends when nothing else is left to do. */
export function exitAs(name: ExitName): void {
  process.exitCode = exitCodes[name];
}

/** What is told while a command goes on: not to who reads JSON. */
export function narrator(json: boolean | undefined): (line: string) => void {
  return json === true ? () => {} : printLine;
}

export function printError(error: unknown, json: boolean): void {
  const { code, message, advice } = errorBody(error);
  if (json) printJson({ error: { code, message, advice } });
  else
    process.stderr.write(
      `holdfast: ${code === '' ? '' : `${code}: `}${message}\n${advice && `  ${advice}\n`}`,
    );
}

function errorBody(error: unknown): { code: string; message: string; advice: string } {
  if (error instanceof HoldfastError) {
    return { code: error.code, message: error.message, advice: error.advice };
  }
  return { code: 'INTERNAL', message: messageOf(error), advice: '' };
}
