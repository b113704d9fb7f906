import { Command } from 'commander';
import { mermaidDiagram, transitionTable } from '../core/leadership/diagram.ts';

export function fsmCommand(): Command {
  return new Command('fsm')
    .description('print the phases of a supervisor and what leads from one to the other')
    .option('--mermaid', 'as a Mermaid diagram')
    .action(({ mermaid }: { mermaid?: boolean }) => {
      process.stdout.write(mermaid === true ? mermaidDiagram() : transitionTable());
    });
}
