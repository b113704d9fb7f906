import { Command } from 'commander';
import { mermaidDiagram, transitionTable } from '../core/leadership/diagram.ts';
import { transitions } from '../core/leadership/transitions.ts';
import { printAnswer } from './output.ts';

export function fsmCommand(): Command {
  return new Command('fsm')
    .description('print the phases of a supervisor and what leads from one to the other')
    .option('--mermaid', 'as a Mermaid diagram')
    .action(({ json, mermaid }: { json?: boolean; mermaid?: boolean }) => {
      printAnswer(json, transitions, mermaid === true ? mermaidDiagram : transitionTable);
    });
}
