/**
 * Rules of the engine that a story can be told without, to see that the checks find out: see `droppable` for what each
 * of them leaves out.
 */
export type Rules = ReadonlySet<string>;

export const droppable: Readonly<Record<string, string>> = {
  R2: 'a write without data adds no missing range',
  R4: 'an answer fills what became missing after the file was opened',
  R5: 'acknowledges what is flushed though names or ranges are uncertain',
  R6: 'own records beyond the common point are not taken back',
  P1: 'the activation is not flushed before the change',
  'P1-rename': 'a renamed directory is not flushed to the log before',
  P2: 'what was logged and not applied is not doubted',
  P3: 'a barrier flushes the log alone',
  checkpoint: 'a checkpoint does not wait for its flush',
  F1: 'a new leader does not say what it doubts',
  F2: 'the common point is the lower of the two last sequences',
  order: 'content may overtake records',
};
