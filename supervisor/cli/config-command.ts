import { Command } from 'commander';
import { checkConfigFile, formatProblem } from '../config/load.ts';
import { defaultConfigFile } from './options.ts';
import { exitAs, printAnswer } from './output.ts';

export function configCommand(): Command {
  return new Command('config').description('work with holdfast.yaml').addCommand(checkCommand());
}

function checkCommand(): Command {
  return new Command('check')
    .description('tell every problem of a configuration file; exits 1 when there is one')
    .argument('[file]', 'the file', defaultConfigFile)
    .action(async (file: string, { json }: { json?: boolean }) => {
      const problems = await checkConfigFile(file);
      const isValid = problems.length === 0;
      printAnswer(json, { file, valid: isValid, problems }, () =>
        [
          ...problems.map((problem) => formatProblem(file, problem)),
          isValid ? `${file} is valid` : `${problems.length} problem(s)`,
        ].join('\n'),
      );
      if (!isValid) exitAs('failed');
    });
}
