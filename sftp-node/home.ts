import type { Logger } from '#contracts/log.ts';
import type { Engine, EngineSession } from './engine/ports.ts';
import { Jail } from './paths/jail.ts';

const homeMode = 0o750;
/** A login comes before the engine is back, as a rule: longer than a new one takes to start. */
const enginePatienceMs = 5000;

/** The session of a user: what it reads, and what it asks to be changed. */
export interface Home {
  readonly jail: Jail;
  readonly engine: EngineSession;
}

/**
 * Opens the home of a user, made at the first login: then it is on the standbys like any directory.
 * @throws StatusError, EngineRefusal; the reason of `signal`
 */
export async function openHome(
  filesRoot: string,
  home: string,
  engine: Engine,
  signal: AbortSignal,
  audit: Logger,
): Promise<Home> {
  const grant = { root: Buffer.from(home), makeRoot: homeMode, mayChange: true, account: '' };
  const session = await engine.beginSession(grant, { signal, patienceMs: enginePatienceMs });
  try {
    const parts = home.split('/');
    for (let length = parts.length - session.made + 1; length <= parts.length; length++)
      audit.info({ audit: 'mkdir', path: parts.slice(0, length).join('/'), home: true }, 'mkdir');
    return { jail: new Jail(filesRoot, home), engine: session };
  } catch (error) {
    await session.end();
    throw error;
  }
}
