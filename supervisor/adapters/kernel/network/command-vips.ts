import { setTimeout as delay } from 'node:timers/promises';
import { codeOf, HoldfastError, messageOf } from '#contracts/errors.ts';
import type { NodeId } from '#contracts/identities.ts';
import type { Logger } from '#contracts/log.ts';
import { commandFileProblem } from '../../../config/command-file.ts';
import type { CommandVipConfig } from '../../../config/schema.ts';
import { vipCommandLimitMs } from '../../../config/timing.ts';
import type { Clock, VipConflict, VirtualIps } from '../../../runtime/ports.ts';
import { type ExecutableResult, executableLatenessMs, runExecutable } from '../../process/executable.ts';

export interface CommandVipOptions {
  readonly vip: CommandVipConfig;
  readonly cluster: string;
  readonly node: NodeId;
  readonly clock: Clock;
  readonly log: Logger;
  /** Time between two `check`, and between two tries of an `absent` that is tried on. Default: 5 s. */
  readonly checkEveryMs?: number;
}

type Action = 'present' | 'absent' | 'check';

interface Run {
  readonly action: Action;
  readonly over: AbortController;
  /** Never rejects. */
  readonly ended: Promise<void>;
}

/** Where executables find their own commands. */
const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Failures of `absent` in a row after which leadership does not wait for it any more. */
const removalTries = 3;

/**
 * One address that an executable of the sysadmin's moves (docs/virtual-ips.md). `present` runs once a leadership, then
 * `check` every few seconds, and `present` again when that says that the address is not here. They run in the
 * background, so that the addresses of the kernel beside it are extended in time; never two at once.
 *
 * A `check` that fails proves nothing, and the leader goes on: an interface of a cloud that does not answer must not end
 * a service that works. An `absent` that fails again and again does not keep another host from leading, whose
 * `present` takes the address over; it is tried on in the background.
 */
export class CommandVip implements VirtualIps {
  readonly #options: CommandVipOptions;
  readonly #checkEveryMs: number;
  /** As `present` and `check` told last. */
  #isHere = false;
  #run: Run | null = null;
  /** Of a `present`, for the next who asks. */
  #failure: unknown = null;
  #checkAtMs = 0;
  #checkFails = false;
  #removalFailures = 0;
  #removal: NodeJS.Timeout | undefined;

  constructor(options: CommandVipOptions) {
    this.#options = options;
    this.#checkEveryMs = options.checkEveryMs ?? 5000;
  }

  async present(untilMs: number): Promise<boolean> {
    const { vip, clock } = this.#options;
    clearTimeout(this.#removal);
    if (this.#run?.action === 'absent') await this.#stopRun();
    const nowMs = clock.bootTimeMs();
    if (this.#run === null && this.#failure === null) {
      if (this.#isHere) {
        if (nowMs >= this.#checkAtMs) this.#start('check');
      } else {
        // So that it is over or killed before another host can lead, also when this process is frozen meanwhile.
        if (untilMs - nowMs < vip.timeoutMs + executableLatenessMs) return false;
        this.#start('present', untilMs - nowMs);
      }
    }
    if (!this.#isHere && this.#run !== null) await Promise.race([this.#run.ended, delay(vipCommandLimitMs)]);
    const failure = this.#failure;
    this.#failure = null;
    if (failure !== null) throw failure;
    return this.#isHere;
  }

  async absent(): Promise<void> {
    clearTimeout(this.#removal);
    await this.#stopRun();
    this.#isHere = false;
    this.#failure = null;
    try {
      await this.#execute('absent', new AbortController().signal);
      this.#removalFailures = 0;
    } catch (error) {
      this.#removalFailures += 1;
      if (this.#removalFailures < removalTries) throw error;
      this.#options.log.error(
        { code: codeOf(error), address: this.#address, reason: messageOf(error) },
        'the address could not be taken off: leadership is given up all the same, and it is tried again',
      );
      this.#removeLater();
    }
  }

  /** Nothing to probe: where others answer for it is the executable's business. */
  async conflict(): Promise<VipConflict | null> {
    return null;
  }

  async announce(): Promise<void> {}

  get #address(): string {
    return this.#options.vip.address.written;
  }

  #start(action: Action, validMs = 0): void {
    const over = new AbortController();
    const ended = this.#execute(action, over.signal, validMs)
      .then(
        (exitCode) => over.signal.aborted || this.#learn(action, exitCode),
        (error) => over.signal.aborted || this.#learnFailure(action, error),
      )
      .then(() => {
        this.#run = null;
      });
    this.#run = { action, over, ended };
  }

  async #stopRun(): Promise<void> {
    this.#run?.over.abort();
    await this.#run?.ended;
  }

  #learn(action: Action, exitCode: number): void {
    const { log, clock } = this.#options;
    if (action === 'absent') {
      this.#removalFailures = 0;
      log.info({ address: this.#address }, 'the address is taken off at last');
      return;
    }
    this.#isHere = exitCode === 0;
    this.#checkAtMs = clock.bootTimeMs() + this.#checkEveryMs;
    if (this.#checkFails) log.info({ address: this.#address }, 'the address can be checked again');
    this.#checkFails = false;
    if (this.#isHere) this.#removalFailures = 0;
    else log.warn({ address: this.#address }, 'the address is not here any more: it is taken over again');
  }

  #learnFailure(action: Action, error: unknown): void {
    const { log, clock } = this.#options;
    const told = { code: codeOf(error), address: this.#address, reason: messageOf(error) };
    if (action === 'present') {
      this.#failure = error;
    } else if (action === 'absent') {
      log.warn(told, 'the address could not be taken off');
      this.#removeLater();
    } else {
      this.#checkAtMs = clock.bootTimeMs() + this.#checkEveryMs;
      if (!this.#checkFails) log.warn(told, 'the address cannot be checked; it is taken to be here');
      this.#checkFails = true;
    }
  }

  #removeLater(): void {
    clearTimeout(this.#removal);
    this.#removal = setTimeout(() => this.#start('absent'), this.#checkEveryMs).unref();
  }

  /** The exit code: 0, and 1 for a `check`. @throws HoldfastError for every other end */
  async #execute(action: Action, signal: AbortSignal, validMs = 0): Promise<number> {
    const { vip, cluster, node } = this.#options;
    const problem = await commandFileProblem(vip.command);
    if (problem !== null) {
      throw new HoldfastError('VIP_COMMAND_UNUSABLE', `${vip.command} ${problem.what}: ${problem.instead}`);
    }
    const env = {
      PATH: path,
      HOLDFAST_CLUSTER: cluster,
      HOLDFAST_NODE: node,
      ...(action === 'present' ? { HOLDFAST_VALID_SECONDS: String(Math.floor(validMs / 1000)) } : {}),
    };
    const options = { timeoutMs: vip.timeoutMs, env, signal };
    const result = await runExecutable(vip.command, [action, this.#address], options);
    const isAnswer = result.exitCode === 0 || (action === 'check' && result.exitCode === 1);
    if (result.ending === 'exit' && isAnswer) return result.exitCode;
    throw this.#failureOf(action, result);
  }

  #failureOf(action: Action, { ending, exitCode, lastLine }: ExecutableResult): HoldfastError {
    const { command, timeoutMs } = this.#options.vip;
    const told = `"${command} ${action} ${this.#address}"`;
    const said = lastLine === '' ? 'it wrote nothing' : `its last line: ${lastLine}`;
    if (ending === 'timeout') {
      const what = `${told} did not end within ${timeoutMs} ms and was killed; ${said}`;
      return new HoldfastError('VIP_COMMAND_TIMEOUT', what);
    }
    const how = {
      exit: exitCode === null ? 'was killed' : `failed (${exitCode})`,
      flood: 'wrote more than 1 MiB and was killed',
      stopped: 'was stopped',
    }[ending];
    return new HoldfastError('VIP_COMMAND_FAILED', `${told} ${how}; ${said}`);
  }
}
