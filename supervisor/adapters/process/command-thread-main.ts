/** The thread of `runAside`: runs what it is told and answers with the result. */
import { parentPort } from 'node:worker_threads';
import { codeOf, type ErrorCode, messageOf } from '#contracts/errors.ts';
import { runCommand } from './command.ts';
import type { CommandAnswer, CommandRequest } from './command-thread.ts';

const answer = (message: CommandAnswer) => parentPort?.postMessage(message);

parentPort?.on('message', ({ id, name, args, options }: CommandRequest) => {
  runCommand(name, args, options).then(
    (result) => answer({ id, result }),
    (error) => answer({ id, error: { code: codeOf(error) as ErrorCode, message: messageOf(error) } }),
  );
});
