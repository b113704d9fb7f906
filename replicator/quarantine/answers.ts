import {
  maxContentNames,
  maxDiscardedAtOnce,
  type QuarantineAnswer,
  type QuarantineDetail,
  type QuarantineEntry,
  type QuarantineRequest,
  type QuarantineSelection,
  type QuarantineSummary,
} from '#contracts/ipc/quarantine.ts';
import { safeText } from '#contracts/safe-text.ts';
import { fromKey } from '../tree/path.ts';
import type { Tree } from '../tree/tree.ts';
import type { Catalog, Item } from './catalog.ts';
import { toldByName } from './layout.ts';
import { statsIfThere, walk } from './measure.ts';
import { typeOf } from './quarantine.ts';

const maxListedPath = 512;
const maxShownPath = 16_384;

export interface AnswerParts {
  readonly catalog: Catalog;
  /** The files in service. */
  readonly files: Tree;
  readonly summary: () => QuarantineSummary;
  readonly wallMs: () => number;
  readonly discard: (item: Item, by: string) => void;
}

/** What a request is answered with; each answer is bounded. */
export function answerOf(request: QuarantineRequest, parts: AnswerParts): QuarantineAnswer {
  switch (request.kind) {
    case 'list':
      return list(request, parts);
    case 'show':
      return show(request.id, parts);
    case 'discard':
      return discard(request, parts);
  }
}

function list(
  { before, limit }: Extract<QuarantineRequest, { kind: 'list' }>,
  { catalog, summary }: AnswerParts,
): QuarantineAnswer {
  const { items } = catalog;
  const end = before === null ? items.length : indexAt(items, before);
  const page = items.slice(Math.max(0, end - limit), end);
  const [first] = page;
  return {
    kind: 'list',
    entries: page.reverse().map((item) => entryOf(catalog, item)),
    next: first === undefined || end <= limit ? null : cursorOf(first),
    summary: summary(),
  };
}

function show(id: string, { catalog, files }: AnswerParts): QuarantineAnswer {
  const [item, ...others] = catalog.find(id);
  if (item === undefined || others.length > 0) return notOne(id, others.length + 1, item === undefined);
  const stats = statsIfThere(catalog.tree, fromKey(item.place));
  if (stats === null) return notOne(id, 0, true);
  const record = catalog.recordOf(item);
  const content: QuarantineDetail['content'] = [];
  let isWhole = true;
  if (stats.isDirectory()) {
    for (const found of walk(catalog.tree, fromKey(item.place))) {
      isWhole = content.length < maxContentNames;
      if (!isWhole) break;
      const { path, type, stats: own } = found;
      content.push({ path: safeText(path, maxListedPath), type, bytes: own.isFile() ? own.size : 0 });
    }
  }
  const there = record === null || record.reason === 'host-keys' ? null : statsIfThere(files, record.path);
  return {
    kind: 'show',
    entry: {
      ...entryOf(catalog, item, maxShownPath),
      pathBase64: (record?.path ?? fromKey(item.place)).toString('base64'),
      place: item.place,
      mode: stats.mode & 0o7777,
      modifiedAt: stats.mtime.toISOString(),
      content,
      isWhole,
      inService:
        there === null
          ? null
          : {
              type: typeOf(there),
              bytes: there.isFile() ? there.size : 0,
              modifiedAt: there.mtime.toISOString(),
            },
    },
  };
}

function discard(
  { selection, dryRun, by }: Extract<QuarantineRequest, { kind: 'discard' }>,
  parts: AnswerParts,
): QuarantineAnswer {
  const chosen = choose(selection, parts);
  if (!Array.isArray(chosen)) return chosen;
  const now = dryRun ? chosen : chosen.slice(0, maxDiscardedAtOnce);
  if (!dryRun) for (const item of now) parts.discard(item, by);
  const newest = now.at(-1);
  return {
    kind: 'discard',
    entries: now.length,
    bytes: now.reduce((sum, { size }) => sum + size.diskBytes, 0),
    upTo:
      newest === undefined ? null : `${parts.catalog.name}/${parts.catalog.lastNumber}/${cursorOf(newest)}`,
    more: now.length < chosen.length,
  };
}

/** Oldest first. */
function choose(selection: QuarantineSelection, { catalog, wallMs }: AnswerParts): Item[] | QuarantineAnswer {
  if (selection.kind === 'ids') {
    const found = new Set<Item>();
    for (const id of selection.ids) {
      const [item, ...others] = catalog.find(id);
      if (item === undefined || others.length > 0) return notOne(id, others.length + 1, item === undefined);
      found.add(item);
    }
    return [...found];
  }
  const shown = shownUpTo(selection.upTo, catalog);
  if (shown === null) {
    const message = 'the quarantine is looked through anew since it was shown: nothing is discarded';
    return { kind: 'refused', code: 'CHANGED_MEANWHILE', message };
  }
  if (selection.kind === 'all') return [...shown];
  const oldestLeftMs = wallMs() - selection.thanMs;
  return shown.filter(({ atMs }) => atMs < oldestLeftMs);
}

/**
 * What the operator was shown: neither younger, nor found since. A clock that was stepped back, or a look through all of
 * it that was under way, brings what counts as older. Null: it was shown by another run of this process.
 */
function shownUpTo(upTo: string | null, { items, name, lastNumber }: Catalog): readonly Item[] | null {
  if (upTo === null) return items;
  const [shownBy, last, ...cursor] = upTo.split('/');
  if (shownBy !== name) return null;
  const lastShown = Math.min(Number(last) || 0, lastNumber);
  return items.slice(0, indexAfter(items, cursor.join('/'))).filter(({ number }) => number <= lastShown);
}

export function entryOf(catalog: Catalog, item: Item, maxPath = maxListedPath): QuarantineEntry {
  const record = catalog.recordOf(item);
  const stats = statsIfThere(catalog.tree, fromKey(item.place));
  const told = toldByName(item.place);
  return {
    id: item.id,
    at: new Date(item.atMs).toISOString(),
    epoch: record?.epoch ?? told.epoch,
    leader: record?.leader ?? null,
    reason: record?.reason ?? (told.isHostKeys ? 'host-keys' : 'unknown'),
    type: stats === null ? 'other' : typeOf(stats),
    path: safeText(record?.path ?? fromKey(item.place), maxPath),
    bytes: item.isMeasured ? item.size.bytes : null,
    files: item.isMeasured ? item.size.names : null,
    acknowledged: record?.acknowledged ?? null,
  };
}

function notOne(id: string, count: number, isNone: boolean): QuarantineAnswer {
  return isNone
    ? { kind: 'refused', code: 'QUARANTINE_UNKNOWN', message: `nothing in quarantine here has the id ${id}` }
    : {
        kind: 'refused',
        code: 'QUARANTINE_AMBIGUOUS',
        message: `${count} things in quarantine here have an id that begins with ${id}`,
      };
}

/** Where something stands in the order by age, whether it is still there or not. */
function cursorOf({ atMs, place }: Item): string {
  return `${atMs}/${place}`;
}

function partsOf(cursor: string): { atMs: number; place: string } {
  const slash = cursor.indexOf('/');
  return { atMs: Number(cursor.slice(0, slash)) || 0, place: cursor.slice(slash + 1) };
}

/** How many are before the cursor. */
function indexAt(items: readonly Item[], cursor: string): number {
  const { atMs, place } = partsOf(cursor);
  return lowerBound(items, (item) => item.atMs < atMs || (item.atMs === atMs && item.place < place));
}

/** How many are at the cursor or before it. */
function indexAfter(items: readonly Item[], cursor: string): number {
  const { atMs, place } = partsOf(cursor);
  return lowerBound(items, (item) => item.atMs < atMs || (item.atMs === atMs && item.place <= place));
}

function lowerBound(items: readonly Item[], isBefore: (item: Item) => boolean): number {
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(items[middle] as Item)) low = middle + 1;
    else high = middle;
  }
  return low;
}
