/** The engine did not carry a request out. `code` is an errno, which statusOf (sftp/status-error.ts) translates. */
export class EngineRefusal extends Error {
  override readonly name = 'EngineRefusal';
  readonly code: string;

  constructor(errno: string, sentence: string) {
    super(sentence);
    this.code = errno;
  }
}

/**
 * The session cannot go on (H1): the engine went away while a handle of the session was open or a change unanswered, and
 * nobody knows what became of it. Its connection is closed without an answer.
 */
export class SessionLost extends Error {
  override readonly name = 'SessionLost';
}
