import { readdirSync, readFileSync } from 'node:fs';

/** Seconds of CPU, user and system. */
const tickSeconds = 0.01;

function fieldsOf(path: string): string[] {
  const text = readFileSync(path, 'latin1');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

/** CPU of the threads of a process by name, those of libuv and V8 with the name of the process. */
export function cpuByThread(pid: number): Map<string, number> {
  const seconds = new Map<string, number>();
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const name =
      thread === String(pid) ? 'main' : readFileSync(`/proc/${pid}/task/${thread}/comm`, 'latin1').trim();
    const fields = fieldsOf(`/proc/${pid}/task/${thread}/stat`);
    const spent = (Number(fields[11]) + Number(fields[12])) * tickSeconds;
    seconds.set(name, (seconds.get(name) ?? 0) + spent);
  }
  return seconds;
}

/** CPU of a process with all its threads. */
export function cpuOfProcess(pid: number): number {
  const fields = fieldsOf(`/proc/${pid}/stat`);
  return (Number(fields[11]) + Number(fields[12])) * tickSeconds;
}

/** CPU of the children of a process that have ended. */
export function cpuOfEndedChildren(pid: number): number {
  const fields = fieldsOf(`/proc/${pid}/stat`);
  return (Number(fields[13]) + Number(fields[14])) * tickSeconds;
}

export function residentMebibytes(pid: number): number {
  return mebibytes(pid, 'VmRSS');
}

/** The most memory that the process ever had. */
export function peakMebibytes(pid: number): number {
  return mebibytes(pid, 'VmHWM');
}

function mebibytes(pid: number, key: 'VmRSS' | 'VmHWM'): number {
  const [, kibibytes] =
    new RegExp(`${key}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? [];
  return Math.round(Number(kibibytes) / 1024);
}

/** The program of Holdfast's that a process runs, as `replicator`; null when it is none. */
export function holdfastProgramOf(pid: number): string | null {
  return /dist\/([\w-]+)\.js/.exec(readFileSync(`/proc/${pid}/cmdline`, 'utf8'))?.[1] ?? null;
}
