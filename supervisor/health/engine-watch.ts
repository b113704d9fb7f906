import { setTimeout as delay } from 'node:timers/promises';
import { afterFullPoll, type LoopWatch } from '#contracts/lateness.ts';
import type { HealthFact, HealthReports } from '../runtime/ports.ts';

/** The control lane of the replicator: it answers whatever its storage engine waits for. */
export interface EngineQuestions {
  ask(id: number): void;
  /** The latest answer of the process that runs; null: it has given none. */
  answer(): { readonly id: number; readonly engineSilentMs: number } | null;
  /** Of the process; undefined: there is none. */
  pid(): number | undefined;
}

const everyMs = 100;
const askEveryMs = 250;
/** So long an engine may say nothing: a slow disk shows within a second. */
const silentMs = 1000;
/** A process that has answered nothing for so long since it was started is stopped, or stuck: its control lane waits for no disk. */
const stuckMs = 10_000;

/** Asks the replicator whether its engine is well, as long as this host leads. A loop of its own: no disk holds it up. */
export class EngineWatch {
  readonly #engine: EngineQuestions;
  readonly #loop: LoopWatch;
  readonly #reports: HealthReports;
  #lastId = 0;
  /** Of the oldest question without an answer. */
  #unanswered: { readonly id: number; readonly atMs: number } | null = null;
  #askedAtMs = Number.NEGATIVE_INFINITY;
  #isSilent = false;
  /** The process, and when it answered last, or was seen first. */
  #heard: { readonly pid: number; readonly answerId: number; readonly atMs: number } | null = null;

  constructor(engine: EngineQuestions, loop: LoopWatch, reports: HealthReports) {
    this.#engine = engine;
    this.#loop = loop;
    this.#reports = reports;
  }

  get fact(): HealthFact | null {
    if (!this.#isSilent) return null;
    const detail = 'says nothing: it waits for a disk that stands still, or was stopped';
    return { name: 'storage engine', level: 'bad', code: 'ENGINE_SILENT', detail };
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await new Promise<void>(afterFullPoll);
      this.look(this.#loop.attendedMs());
      await delay(everyMs, undefined, { signal }).catch(() => {});
    }
  }

  /** @param atMs attended time: nobody is late while this process is */
  look(atMs: number): void {
    const answer = this.#engine.answer();
    this.#lookForStuck(answer?.id ?? 0, atMs);
    const { id } = this.#unanswered ?? { id: Number.POSITIVE_INFINITY };
    if (answer !== null && answer.id >= id) this.#unanswered = null;
    const isOverdue = this.#unanswered !== null && atMs - this.#unanswered.atMs >= silentMs;
    this.#tell(isOverdue || (answer?.engineSilentMs ?? 0) >= silentMs);
    if (atMs - this.#askedAtMs < askEveryMs) return;
    this.#askedAtMs = atMs;
    this.#lastId += 1;
    this.#unanswered ??= { id: this.#lastId, atMs };
    this.#engine.ask(this.#lastId);
  }

  #lookForStuck(answerId: number, atMs: number): void {
    const pid = this.#engine.pid();
    if (pid === undefined) {
      this.#heard = null;
      return;
    }
    if (this.#heard?.pid !== pid || this.#heard.answerId !== answerId) this.#heard = { pid, answerId, atMs };
    if (atMs - this.#heard.atMs < stuckMs) return;
    this.#heard = { pid, answerId, atMs };
    this.#reports.stuckEngine();
  }

  #tell(isSilent: boolean): void {
    if (isSilent === this.#isSilent) return;
    this.#isSilent = isSilent;
    this.#reports.silentEngine(isSilent);
  }
}
