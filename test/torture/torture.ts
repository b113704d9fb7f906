import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { CuttableDisk } from '../lab/cuttable-disk.ts';
import type { LabHost } from '../lab/host.ts';
import { Lab } from '../lab/lab.ts';
import { Random } from '../sim/timeline.ts';
import { checkDisks, checkQuarantines, homeOf } from './check/cluster.ts';
import { lookOnHosts } from './check/on-hosts.ts';
import { checkService, longestSilence, startWatches, type Watches } from './check/service.ts';
import { Crowd } from './clients/crowd.ts';
import { sharedRoot } from './clients/shared.ts';
import { knownNotToHold } from './expectations.ts';
import { explained } from './explanation.ts';
import { carryOut } from './faults/carry-out.ts';
import { Cluster } from './faults/cluster.ts';
import { drawRounds, type FaultKind, faultKinds, type Round, shownFault } from './faults/plan.ts';
import { shownPath } from './history.ts';
import { Notes } from './notes.ts';
import { type Findings, isBroken, type RoundReport } from './report.ts';

export interface TortureOptions {
  readonly seed: number;
  /** No round of faults begins later. */
  readonly minutes: number;
  /** At most so many rounds. Default: as many as there is time for. */
  readonly rounds?: number | undefined;
  /** Default: all. */
  readonly kinds?: readonly FaultKind[] | undefined;
  /** Default: 5. */
  readonly clients?: number | undefined;
  /** One round follows the other at once: more faults a minute, less load between them. */
  readonly isHurried?: boolean | undefined;
  /** Also after something was found broken. Default: it ends with that round. */
  readonly keepsGoing?: boolean | undefined;
  /** Told as it goes. */
  readonly progress: (line: string) => void;
}

/** Within which all hosts must be in sync again after a round of faults. */
const recoveryMs = 180_000;
/** Before and after each round clients go on for so long. */
const calmMs = { usual: 2000, hurried: 700 };

/** Violations of each check that are told at once. */
const toldOfEach = 3;
/** After so many rounds everybody stops for a look at all disks. */
const looksEvery = 3;

/** One cluster, its clients, what befalls them, and what is left in the end. Needs root and a build. */
export async function torture(options: TortureOptions): Promise<Findings> {
  const { seed, kinds = faultKinds, clients = 5, progress } = options;
  await using lab = await Lab.create();
  using cluster = await begin(lab, kinds);
  const { epoch } = await (await lab.waitForLeader()).status();
  const watches = await startWatches(lab);
  const notes = new Notes();
  const homes = new Map(lab.hosts.map((host) => [host.name, homeOf(host)]));
  notes.violations.look = (path) => lookOnHosts(homes, path);
  notes.violations.onFound = (violation) => {
    const { check, what, path } = violation;
    if ((notes.violations.counts.get(check) ?? 0) > toldOfEach || knownNotToHold[check] !== undefined) return;
    progress(`  ${check}: ${path === null ? '' : `${shownPath(path)}: `}${what}`);
    for (const line of explained(violation, notes)) progress(`      ${line}`);
  };
  using crowd = new Crowd(lab, notes, { seed, clients });
  crowd.begin();
  const rounds = await goThroughRounds(cluster, crowd, watches, notes, options);
  if (rounds.length === 0 || notes.history.counts.ok === 0)
    notes.violations.add('service', 'nothing happened: no fault, or no request that was acknowledged');
  const known = { shared: crowd.shared, workspaces: await crowd.finish() };
  const leader = await checkDisks(cluster, known, notes);
  if (leader !== null) await checkService(watches, lab, leader, epoch, notes.violations);
  const quarantine = checkQuarantines(cluster, notes);
  const findings = {
    ...{ seed, rounds, quarantine, endedAt: Date.now() },
    ...notes,
    folders: { checked: known.workspaces.length, abandoned: crowd.abandoned },
    led: leader === null ? [] : await cluster.led(leader),
  };
  if (isBroken(findings)) progress(`the logs are in ${keepLogs(lab)}`);
  return findings;
}

/** Until one host serves, and all are in sync. */
async function begin(lab: Lab, kinds: readonly FaultKind[]): Promise<Cluster> {
  const disks = new Map<LabHost, CuttableDisk>();
  for (const host of lab.hosts) {
    // A comparison that takes much away waits for an operator, who is not here.
    const config = readFileSync(host.configFile, 'utf8');
    writeFileSync(
      host.configFile,
      config.replace('replication: { ', 'replication: { maxRemovalShare: 100, '),
    );
    disks.set(host, await lab.giveCuttableDisk(host));
    if (kinds.includes('clock stepped')) host.useOwnWallClock();
  }
  await lab.start();
  await lab.client.sftp(lab.vipV4, `mkdir ${sharedRoot}\n`);
  return new Cluster(lab, disks);
}

async function goThroughRounds(
  cluster: Cluster,
  crowd: Crowd,
  watches: Watches,
  notes: Notes,
  {
    seed,
    minutes,
    rounds = Infinity,
    kinds,
    isHurried = false,
    keepsGoing = false,
    progress,
  }: TortureOptions,
): Promise<RoundReport[]> {
  const reports: RoundReport[] = [];
  const calm = () => delay(isHurried ? calmMs.hurried : calmMs.usual);
  await calm();
  const plan = drawRounds(new Random(seed), kinds);
  while (reports.length < rounds && Date.now() - notes.startedAt < minutes * 60_000) {
    const round = plan.next().value;
    progress(`${shownSince(notes)} ${round.faults.map(shownFault).join('; ')}`);
    const report = await goThrough(round, cluster, crowd, watches, notes, calm);
    reports.push(report);
    progress(
      `${shownSince(notes)}   no write for ${report.writesStoodStillMs} ms, no banner for ${report.silenceMs} ms, in sync after ${report.inSyncMs} ms`,
    );
    if (notes.violations.counts.has('service')) progress(cluster.lab.evidence());
    if (notes.violations.counts.has('service') || (!keepsGoing && isBroken(notes))) break;
    if (reports.length % looksEvery === 0) {
      progress(`${shownSince(notes)}   looking at the disks`);
      await checkDisks(cluster, { shared: crowd.shared, workspaces: await crowd.finish() }, notes);
      if (!keepsGoing && isBroken(notes)) break;
      crowd.begin();
    }
    if (!isHurried) await delay(round.pauseMs);
  }
  return reports;
}

function shownSince({ startedAt }: Notes): string {
  return `${((Date.now() - startedAt) / 1000).toFixed(1).padStart(6)} s`;
}

async function goThrough(
  { faults }: Round,
  cluster: Cluster,
  { thaw }: Crowd,
  watches: Watches,
  { violations, history }: Notes,
  calm: () => Promise<void>,
): Promise<RoundReport> {
  const at = Date.now();
  const outcomes = await Promise.allSettled(faults.map((fault) => carryOut({ cluster, thaw }, fault)));
  const overAt = Date.now();
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') violations.add('service', firstLine(outcome.reason));
  }
  await cluster.waitForSync(recoveryMs).catch((error) => violations.add('service', firstLine(error)));
  const inSyncAt = Date.now();
  await calm();
  return {
    at,
    faults: faults.map(shownFault),
    writesStoodStillMs: history.longestGap(at, Date.now()),
    silenceMs: longestSilence(watches, at, Date.now()),
    inSyncMs: inSyncAt - overAt,
  };
}

function firstLine(error: unknown): string {
  return String(error instanceof Error ? error.message : error).split('\n')[0] ?? '';
}

function keepLogs(lab: Lab): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-torture-'));
  for (const host of lab.hosts) writeFileSync(join(folder, `${host.name}.log`), host.log());
  return folder;
}
