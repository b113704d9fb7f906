import type { Random } from '../../sim/timeline.ts';
import type { History, Outcome } from '../history.ts';
import { type Connection, ConnectionLost, Refused } from '../sftp/connection.ts';
import { openFlag } from '../sftp/wire.ts';

export const sharedRoot = 'shared';
const raceEveryMs = 700;

interface Try {
  readonly client: string;
  readonly path: string;
  readonly text: string;
  readonly sentAt: number;
  answeredAt: number;
  /** Of the last request, which is the one that counts. */
  outcome: Outcome;
}

export interface SharedFinding {
  readonly path: string;
  readonly what: string;
}

/**
 * A folder in which all clients work at once, with requests whose outcome can be judged whatever their order was: who
 * made a name that nobody had, records appended to one file, and one name that each replaces by a file of its own.
 */
export class SharedFolder {
  readonly #history: History;
  readonly #races: Try[] = [];
  readonly #records: Try[] = [];
  readonly #turns: Try[] = [];
  #made = 0;

  constructor(history: History) {
    this.#history = history;
  }

  async step(connection: Connection, client: string, random: Random): Promise<void> {
    await random.pick([
      () => this.#race(connection, client),
      () => this.#append(connection, client, random),
      () => this.#replace(connection, client),
    ])();
  }

  /** The first one to make it has it. */
  async #race(connection: Connection, client: string): Promise<void> {
    const path = `${sharedRoot}/race-${Math.floor(Date.now() / raceEveryMs)}`;
    const { write, create, exclusive } = openFlag;
    await this.#write(connection, client, path, write | create | exclusive, this.#races);
  }

  async #append(connection: Connection, client: string, random: Random): Promise<void> {
    const path = `${sharedRoot}/log-${Math.floor(random.next() * 3)}`;
    await this.#write(
      connection,
      client,
      path,
      openFlag.write | openFlag.create | openFlag.append,
      this.#records,
    );
  }

  async #replace(connection: Connection, client: string): Promise<void> {
    const temporary = `${sharedRoot}/${client}-${++this.#made}`;
    const uploaded: Try[] = [];
    await this.#write(connection, client, temporary, openFlag.write | openFlag.create, uploaded);
    const text = uploaded[0]?.outcome === 'ok' ? uploaded[0].text : null;
    if (text === null) return;
    await this.#counted(client, 'posix-rename', [temporary, `${sharedRoot}/turn`], text, this.#turns, () =>
      connection.posixRename(temporary, `${sharedRoot}/turn`),
    );
  }

  async #write(
    connection: Connection,
    client: string,
    path: string,
    flags: number,
    tries: Try[],
  ): Promise<void> {
    const text = `<${client} ${++this.#made}>\n`;
    const what = flags & openFlag.exclusive ? 'make' : flags & openFlag.append ? 'append' : 'upload';
    await this.#counted(client, what, [path], text, tries, async () => {
      const handle = await connection.open(path, flags, { mode: 0o644 });
      await connection.write(handle, 0, Buffer.from(text));
      await connection.close(handle);
    });
  }

  async #counted(
    client: string,
    what: string,
    paths: readonly string[],
    text: string,
    tries: Try[],
    send: () => Promise<void>,
  ): Promise<void> {
    const answer = this.#history.sent(client, what, paths);
    const [from = '', to = from] = paths;
    const attempt: Try = {
      client,
      path: to,
      text,
      sentAt: Date.now(),
      answeredAt: Infinity,
      outcome: 'sent',
    };
    tries.push(attempt);
    try {
      await send();
      attempt.outcome = 'ok';
    } catch (error) {
      attempt.outcome = error instanceof Refused ? 'refused' : 'lost';
      answer(attempt.outcome, error instanceof Error ? error.message : '');
      if (error instanceof ConnectionLost) throw error;
      if (!(error instanceof Refused)) throw error;
      return;
    } finally {
      attempt.answeredAt = Date.now();
    }
    answer('ok', text.trim());
  }

  /** @param read what a host has at a path from the user's home; null: nothing */
  judge(read: (path: string) => string | null): SharedFinding[] {
    return [...this.#judgeRaces(read), ...this.#judgeRecords(read), ...this.#judgeTurns(read)];
  }

  #judgeRaces(read: (path: string) => string | null): SharedFinding[] {
    const found: SharedFinding[] = [];
    for (const [path, tries] of Map.groupBy(this.#races, ({ path }) => path)) {
      const winners = tries.filter(({ outcome }) => outcome === 'ok');
      const [winner] = winners;
      if (winner === undefined) continue;
      if (winners.length > 1) found.push({ path, what: `${winners.length} clients made it exclusively` });
      const text = read(path);
      if (text !== winner.text && winners.length === 1)
        found.push({
          path,
          what: `${JSON.stringify(text)} where ${JSON.stringify(winner.text)} was acknowledged`,
        });
    }
    return found;
  }

  #judgeRecords(read: (path: string) => string | null): SharedFinding[] {
    const found: SharedFinding[] = [];
    for (const [path, tries] of Map.groupBy(this.#records, ({ path }) => path)) {
      const text = read(path) ?? '';
      for (const { text: record, outcome } of tries) {
        const times = text.split(record).length - 1;
        if (outcome === 'ok' && times === 0)
          found.push({ path, what: `the record ${record.trim()} is missing` });
        if (times > 1) found.push({ path, what: `the record ${record.trim()} is there ${times} times` });
      }
    }
    return found;
  }

  /** The last one to replace it has it: no other acknowledged replacement began after that one was over. */
  #judgeTurns(read: (path: string) => string | null): SharedFinding[] {
    const path = `${sharedRoot}/turn`;
    const acknowledged = this.#turns.filter(({ outcome }) => outcome === 'ok');
    if (acknowledged.length === 0) return [];
    const text = read(path);
    const holder = this.#turns.find((turn) => turn.text === text);
    if (holder === undefined) return [{ path, what: `${JSON.stringify(text)}, which nobody put there` }];
    const later = acknowledged.find(({ sentAt }) => sentAt > holder.answeredAt);
    if (later === undefined) return [];
    return [{ path, what: `${holder.text.trim()}, although ${later.text.trim()} was acknowledged later` }];
  }
}
