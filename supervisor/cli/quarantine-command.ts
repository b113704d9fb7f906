import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { HoldfastError } from '#contracts/errors.ts';
import {
  maxPageEntries,
  type QuarantineAnswer,
  type QuarantineDetail,
  type QuarantineEntry,
  type QuarantineRequest,
  type QuarantineSelection,
  type QuarantineSummary,
} from '#contracts/ipc/quarantine.ts';
import { loadConfig } from '../config/load.ts';
import { ask, askStatus } from './ask.ts';
import { copyOut } from './copy-out.ts';
import { configOption, parseCount, parseDuration } from './options.ts';
import { narrator, printAnswer } from './output.ts';
import { mustRiskData, whoAsks } from './person.ts';
import { countAndSize, renderDetail, renderList } from './render-quarantine.ts';

interface Common {
  config: string;
  json?: boolean;
}
type AnswerTo<Kind extends QuarantineAnswer['kind']> = Extract<QuarantineAnswer, { kind: Kind }>;

/** As typed: the host, when it was named, and the first characters of an id. */
interface TypedId {
  readonly host: string | null;
  readonly id: string;
}

export function quarantineCommand(): Command {
  return new Command('quarantine')
    .description('what only this host had when it joined another leader')
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(restoreCommand())
    .addCommand(discardCommand());
}

function listCommand(): Command {
  return new Command('list')
    .description('what was set aside on this host, a row each, the newest last')
    .addOption(configOption())
    .option('-n, --last <count>', 'only the last ones', parseCount, 50)
    .addHelpText(
      'after',
      `
Each host answers for itself; how much lies on the others is told below the list and by \`holdfast status\`. Sizes of
folders are known a moment after the start.`,
    )
    .action(list);
}

function showCommand(): Command {
  return new Command('show')
    .description('one of them in full: its content, and what is in service at its path on this host now')
    .argument('<id>', 'an id of the list or its first characters, also as HOST:ID', parseId)
    .addOption(configOption())
    .action(show);
}

function restoreCommand(): Command {
  return new Command('restore')
    .description('copy some of them to a folder outside of the service, with their modes and times')
    .argument('<ids...>', 'ids of the list or their first characters, also as HOST:ID', collectIds)
    .addOption(configOption())
    .requiredOption('--into <folder>', 'a folder outside of the service; below it come the paths they had')
    .addHelpText(
      'after',
      `
Run it as root, who may read the quarantine. Nothing that exists is overwritten. To put a file back into service, upload
the copy by SFTP: it is then replicated and acknowledged as any other. Nothing is put into the files of the service from
here, since a change behind the log's back would make this host differ from the others. What was restored stays in
quarantine until it is discarded.`,
    )
    .action(restore);
}

function discardCommand(): Command {
  return new Command('discard')
    .description('remove some of them for good')
    .argument('[ids...]', 'ids of the list or their first characters, also as HOST:ID', collectIds)
    .addOption(configOption())
    .option('--older-than <duration>', 'all that were set aside longer ago (12h, 30d)', parseDuration)
    .option('--all', 'all there are')
    .option('--dry-run', 'only show what would be discarded')
    .option('--yes-lose-data', 'do not ask for the name of the cluster')
    .addHelpText(
      'after',
      `
They may be the last copies of what clients stored. What is set aside after you were shown what there is stays.`,
    )
    .action(discard);
}

async function list({ config, json, last }: Common & { last: number }): Promise<void> {
  const { paths, node } = loadConfig(config);
  const entries: QuarantineEntry[] = [];
  let summary: QuarantineSummary | null = null;
  for (let before: string | null = null; entries.length < last; ) {
    const limit = Math.min(maxPageEntries, last - entries.length);
    const page: AnswerTo<'list'> = await askQuarantine(paths.run, json, { kind: 'list', before, limit });
    entries.push(...page.entries);
    summary ??= page.summary;
    before = page.next;
    if (before === null) break;
  }
  entries.reverse();
  const status = await askStatus(paths.run, json);
  const elsewhere = status.hosts
    .filter((host) => host.node !== node.id)
    .flatMap((host) =>
      host.health
        .filter(({ code }) => code === 'QUARANTINED')
        .map(({ detail }) => ({ node: host.node, detail })),
    );
  printAnswer(json, { node: node.id, summary, entries, elsewhere }, () =>
    renderList(node.id, summary, entries, elsewhere),
  );
}

async function show(typed: TypedId, { config, json }: Common): Promise<void> {
  const { paths, node } = loadConfig(config);
  const entry = await detailOf(paths.run, json, idHere(typed, node.id));
  printAnswer(json, { node: node.id, ...entry }, () => renderDetail(entry, join(paths.data, 'quarantine')));
}

async function restore(ids: TypedId[], { config, json, into }: Common & { into: string }): Promise<void> {
  const { paths, node } = loadConfig(config);
  const quarantineRoot = join(paths.data, 'quarantine');
  const ownFolders = [paths.data, paths.config, paths.state, paths.run];
  const wanted: QuarantineDetail[] = [];
  for (const typed of ids) wanted.push(await detailOf(paths.run, json, idHere(typed, node.id)));
  const restored = wanted.map(({ id, path, place, pathBase64 }) => {
    narrator(json)(`copying ${path} ...`);
    const { to, passedOver } = copyOut({
      quarantineRoot,
      ownFolders,
      place: Buffer.from(place, 'latin1'),
      path: Buffer.from(pathBase64, 'base64'),
      into,
    });
    return { id, to, passedOver };
  });
  printAnswer(json, { node: node.id, restored }, () =>
    [
      ...restored.map(({ id, to, passedOver }) => {
        const without = passedOver > 0 ? `, without ${passedOver} that are no files, folders or links` : '';
        return `${id} is copied to ${to}${without}`;
      }),
      'To put it back into service, upload it by SFTP. It stays in quarantine until it is discarded.',
    ].join('\n'),
  );
}

async function discard(
  ids: TypedId[],
  options: Common & { olderThan?: number; all?: boolean; dryRun?: boolean; yesLoseData?: boolean },
): Promise<void> {
  const { config, json, dryRun, yesLoseData } = options;
  const { paths, node, cluster } = loadConfig(config);
  const by = whoAsks();
  const run = (selection: QuarantineSelection, dry: boolean): Promise<AnswerTo<'discard'>> =>
    askQuarantine(paths.run, json, { kind: 'discard', selection, dryRun: dry, by });
  let selection = selectionOf(ids, options, node.id);
  const narrate = narrator(json);
  if (selection.kind === 'ids') {
    // In full from here on: by its first characters another might be meant by the time of the answer.
    const whole: string[] = [];
    for (const typed of selection.ids) {
      const { id, at, path } = await detailOf(paths.run, json, typed);
      narrate(`${id}  ${at}  ${path}`);
      whole.push(id);
    }
    selection = { kind: 'ids', ids: whole };
  }
  const shown = await run(selection, true);
  const what = countAndSize(shown.entries, shown.bytes);
  if (dryRun === true || shown.entries === 0) {
    return printAnswer(
      json,
      { node: node.id, dryRun: dryRun === true, entries: shown.entries, bytes: shown.bytes },
      () => (shown.entries === 0 ? 'nothing to discard' : `would be discarded on ${node.id}: ${what}`),
    );
  }
  if (yesLoseData !== true) {
    await mustRiskData(
      `On ${node.id}, ${what} are removed for good; they may be last copies.`,
      cluster,
      json,
    );
  }
  const bounded = selection.kind === 'ids' ? selection : { ...selection, upTo: shown.upTo };
  const done = { entries: 0, bytes: 0 };
  for (let more = true; more; ) {
    const step = await run(bounded, false);
    done.entries += step.entries;
    done.bytes += step.bytes;
    more = step.more;
  }
  printAnswer(
    json,
    { node: node.id, dryRun: false, ...done },
    () => `discarded: ${countAndSize(done.entries, done.bytes)}; the room is free in a while`,
  );
}

function selectionOf(
  typed: readonly TypedId[],
  { olderThan, all }: { olderThan?: number; all?: boolean },
  node: string,
): QuarantineSelection {
  if ([typed.length > 0, olderThan !== undefined, all === true].filter(Boolean).length !== 1) {
    throw new HoldfastError('REQUEST_INVALID', 'name ids, or give --older-than or --all, one of the three');
  }
  if (olderThan !== undefined) return { kind: 'older', thanMs: olderThan, upTo: null };
  if (all === true) return { kind: 'all', upTo: null };
  if (typed.length > 100) throw new HoldfastError('REQUEST_INVALID', 'name at most 100 ids at a time');
  return { kind: 'ids', ids: typed.map((one) => idHere(one, node)) };
}

async function detailOf(run: string, json: boolean | undefined, id: string): Promise<QuarantineDetail> {
  const { entry }: AnswerTo<'show'> = await askQuarantine(run, json, { kind: 'show', id });
  return entry;
}

function askQuarantine<Answer>(
  run: string,
  json: boolean | undefined,
  request: QuarantineRequest,
): Promise<Answer> {
  return ask<Answer>(run, json, 'POST', '/v1/replication/quarantine', request);
}

/** @throws HoldfastError QUARANTINE_ELSEWHERE */
function idHere({ host, id }: TypedId, node: string): string {
  if (host === null || host === node) return id;
  throw new HoldfastError('QUARANTINE_ELSEWHERE', `${host}:${id} would lie on ${host}, and this is ${node}`);
}

function parseId(text: string): TypedId {
  const [, host, id] = /^(?:([a-z0-9.-]{1,63}):)?([0-9a-f]{4,12})$/.exec(text) ?? [];
  if (id === undefined) {
    throw new InvalidArgumentError('is not an id: 4 to 12 characters of 0-9 and a-f, also as HOST:ID');
  }
  return { host: host ?? null, id };
}

function collectIds(text: string, before: TypedId[] | undefined): TypedId[] {
  return [...(before ?? []), parseId(text)];
}
