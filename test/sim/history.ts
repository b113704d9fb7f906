/** One write in the history of the files: an immutable list from the newest back. */
export interface Write {
  readonly before: Write | null;
  readonly length: number;
  readonly epoch: number;
  readonly by: string;
}

export function append(history: Write | null, epoch: number, by: string): Write {
  return { before: history, length: (history?.length ?? 0) + 1, epoch, by };
}

/** Whether `history` holds everything up to and with `write`. */
export function holds(history: Write | null, write: Write | null): boolean {
  let at = history;
  while (at !== null && write !== null && at.length > write.length) at = at.before;
  return at === write || write === null;
}
