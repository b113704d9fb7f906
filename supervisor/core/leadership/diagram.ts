import { transitions } from './transitions.ts';

/** The state diagram for the docs. */
export function mermaidDiagram(): string {
  const rows = transitions.map(
    ({ from, to, sentence }) => `  ${from} --> ${to}: ${sentence.replaceAll(':', ' -')}\n`,
  );
  return `stateDiagram-v2\n  [*] --> standby\n${rows.join('')}  stopped --> [*]\n`;
}

/** One line a transition, for the terminal. */
export function transitionTable(): string {
  return transitions
    .map(({ from, to, sentence }) => `${from.padEnd(13)} -> ${to.padEnd(13)}  ${sentence}\n`)
    .join('');
}
