import { codeOf } from '#contracts/errors.ts';
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
  client: Engine,
  signal: AbortSignal,
  audit: Logger,
): Promise<Home> {
  const engine = client.openSession({
    root: Buffer.from(home),
    makeRoot: homeMode,
    mayChange: true,
    account: '',
  });
  try {
    return {
      jail: jailOf(filesRoot, home) ?? (await madeHome(filesRoot, home, engine, signal, audit)),
      engine,
    };
  } catch (error) {
    void engine.end();
    throw error;
  }
}

async function madeHome(
  filesRoot: string,
  home: string,
  engine: EngineSession,
  signal: AbortSignal,
  audit: Logger,
): Promise<Jail> {
  await engine.begun({ signal, patienceMs: enginePatienceMs });
  const parts = home.split('/');
  for (let length = parts.length - engine.made + 1; length <= parts.length; length++)
    audit.info({ audit: 'mkdir', path: parts.slice(0, length).join('/'), home: true }, 'mkdir');
  return new Jail(filesRoot, home);
}

/** null: there is none yet. */
function jailOf(filesRoot: string, home: string): Jail | null {
  try {
    return new Jail(filesRoot, home);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    return null;
  }
}
