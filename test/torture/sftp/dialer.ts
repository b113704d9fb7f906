import type { ChildProcess } from 'node:child_process';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { execa } from 'execa';

interface Answer {
  readonly number: number;
  readonly error?: string;
}

/** Connections that begin in another network namespace, for clients that live in this process. */
export class Dialer implements Disposable {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, (answer: Answer, socket: Socket | undefined) => void>();
  #last = 0;

  constructor(namespace: string, address: string, port: number) {
    const program = join(import.meta.dirname, 'dialer-main.ts');
    const command = ['netns', 'exec', namespace, process.execPath, program, address, String(port)];
    const { nodeChildProcess } = execa('ip', command, {
      stdin: 'ignore',
      stdout: 'inherit',
      stderr: 'inherit',
      ipc: true,
      serialization: 'json',
      reject: false,
    });
    this.#process = nodeChildProcess;
    nodeChildProcess.on('message', (answer: unknown, socket: unknown) => {
      const { number } = answer as Answer;
      this.#waiting.get(number)?.(answer as Answer, socket instanceof Socket ? socket : undefined);
      this.#waiting.delete(number);
    });
  }

  /** @throws when nobody answers within 1.5 s */
  dial(): Promise<Socket> {
    this.#last += 1;
    const number = this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, ({ error }, socket) => {
        if (socket === undefined) reject(new Error(error ?? 'no socket came'));
        else resolve(socket);
      });
      this.#process.send(number);
    });
  }

  [Symbol.dispose](): void {
    this.#process.kill('SIGKILL');
  }
}
