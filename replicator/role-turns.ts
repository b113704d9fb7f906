/** A leadership that this host takes part in: at the head of it, or behind its leader. */
interface Role {
  readonly epoch: number;
  readonly leader: string;
}

/** One role after the other: the storage engine has one user at a time, so what a role does with it ends first. */
export class RoleTurns {
  #current: Role | null = null;
  #before: Promise<void> = Promise.resolve();
  readonly #onFailed: (error: unknown) => void;
  readonly #onEnded: () => void;

  /** @param onFailed the role that runs failed @param onEnded a role has begun, or is over */
  constructor(onFailed: (error: unknown) => void, onEnded: () => void) {
    this.#onFailed = onFailed;
    this.#onEnded = onEnded;
  }

  is(epoch: number, leader: string): boolean {
    return this.#current?.epoch === epoch && this.#current.leader === leader;
  }

  /** Runs a role once the engine is free. @param run is told whether the role is over by then */
  begin(epoch: number, leader: string, run: (isOver: () => boolean) => Promise<void>): void {
    const role = { epoch, leader };
    this.#current = role;
    const isOver = () => this.#current !== role;
    this.#before = this.#before.then(async () => {
      if (isOver()) return;
      try {
        await run(isOver);
      } catch (error) {
        this.#onFailed(error);
      }
      this.#onEnded();
    });
  }

  /** The role that runs is over; one that has not begun never will. */
  end(): void {
    this.#current = null;
  }
}
