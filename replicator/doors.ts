import type { Logger } from '#contracts/log.ts';
import type { ClientRequest, Engine, Turn } from './clients/ports.ts';
import { ClientServer } from './clients/server.ts';
import type { ClientWork } from './engine/client-work.ts';
import { refusal } from './engine/refusal.ts';

/** Where the doors of this host come in: they are served while it leads, by the work of that leadership. */
export class Doors implements Engine {
  #server: ClientServer | null = null;
  #work: ClientWork | null = null;

  /** @throws HoldfastError REPLICATOR_FAILED */
  static async listen(path: string, log: Logger): Promise<Doors> {
    const doors = new Doors();
    doors.#server = await ClientServer.listen({ path, engine: doors, log });
    return doors;
  }

  private constructor() {}

  /** Doors of this epoch are served from now on, and no others. */
  serve(epoch: number, work: ClientWork): void {
    this.#work = work;
    this.#server?.lead(epoch);
  }

  /** This host does not lead (any more): the doors are sent away. */
  shut(): void {
    this.#server?.refuse(null);
    this.#server?.lead(null);
    this.#work = null;
  }

  /** Why no change is made now; null: they are. */
  refuse(reason: string | null): void {
    this.#server?.refuse(reason);
  }

  submit(turn: Turn): void {
    if (this.#work === null) for (const request of turn.requests) refuse(request);
    else this.#work.submit(turn);
  }

  get mayAcknowledge(): boolean {
    return this.#work?.mayAcknowledge ?? false;
  }
}

function refuse({ request, settle }: ClientRequest): void {
  const { errno, sentence } = refusal('EAGAIN');
  const isWrite = request.kind === 'write' || request.kind === 'append';
  settle(isWrite ? { kind: 'write-refused', written: 0, errno, sentence } : refusal('EAGAIN'));
}
