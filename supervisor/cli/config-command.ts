import { Command } from 'commander';
import { checkConfigFile, formatProblem } from '../config/load.ts';
import { defaultConfigFile } from './options.ts';

export function configCommand(): Command {
  return new Command('config').description('work with holdfast.yaml').addCommand(checkCommand());
}

function checkCommand(): Command {
  return new Command('check')
    .description('tell every problem of a configuration file; exits 1 when there is one')
    .argument('[file]', 'the file', defaultConfigFile)
    .action(async (file: string) => {
      const problems = await checkConfigFile(file);
      for (const problem of problems) process.stdout.write(`${formatProblem(file, problem)}\n`);
      process.stdout.write(problems.length === 0 ? `${file} is valid\n` : `${problems.length} problem(s)\n`);
      process.exitCode = problems.length === 0 ? 0 : 1;
    });
}
