import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import pino from 'pino';
import { lastGoodRoot } from '#contracts/config-root/last-good.ts';
import { commonRootId, rootIdsOf, rootNames } from '#contracts/roots.ts';
import { Newcomer } from '../../../../replicator/state/newcomer.ts';
import { Roots } from '../../../../replicator/state/roots.ts';

const quiet = pino({ level: 'silent' });
const at = (sequence: number, epoch = 5) => ({ epoch, sequence });

describe('the identity of a host’s roots', () => {
  let base: string;
  let nowMs: number;
  const path = (name: string) => join(base, name);
  const record = (name: string) => JSON.parse(readFileSync(path(name), 'utf8'));

  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'holdfast-roots-'));
    for (const name of ['data/files/alice', 'config/host_keys', 'state']) {
      mkdirSync(path(name), { recursive: true });
    }
    writeFileSync(path('config/host_keys/ssh_host_ed25519_key'), 'private');
    nowMs = 1_000_000;
  });
  afterEach(() => rmSync(base, { recursive: true }));

  function start(mode: 'sync' | 'shared' = 'sync'): Roots {
    const settings = {
      ...{ cluster: 'test', nodeId: 'a', mode },
      ...{ filesRoot: path('data/files'), configRoot: path('config'), stateRoot: path('state') },
    };
    return new Roots(settings, quiet, () => nowMs);
  }

  async function admitted(): Promise<Roots> {
    const roots = start();
    await roots.admit(rootIdsOf(roots.report), 40, at(1));
    return roots;
  }

  it('is made by an admission alone, and found again', async () => {
    const roots = start();
    await roots.refresh(at(1));
    assert.equal(commonRootId(roots.report), null);
    await roots.admit('another set of roots', 40, at(1));
    assert.equal(commonRootId(roots.report), null, 'not those that were to be replaced');
    await roots.admit(rootIdsOf(roots.report), 40, at(1));
    const again = start();
    assert.deepEqual(again.report, roots.report);
    assert.ok(commonRootId(again.report));
    for (const name of rootNames) assert.equal(again.report[name].record?.holdsFiles, true, name);
  });

  it('is told of when all roots have it, and not before', async () => {
    const roots = start();
    const admission = roots.admit(rootIdsOf(roots.report), 40, at(1));
    const told = new Set<string>();
    let isOver = false;
    void admission.finally(() => {
      isOver = true;
    });
    while (!isOver) {
      told.add(rootNames.map((name) => (roots.report[name].record === null ? '-' : 'id')).join(' '));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await admission;
    assert.deepEqual([...told], ['- - -']);
    assert.ok(commonRootId(roots.report));
  });

  it('says that roots are compared from when they are distrusted until they are admitted, also after a restart', async () => {
    const roots = start();
    assert.equal(roots.report.areCompared, undefined);
    roots.distrust();
    assert.equal(roots.report.areCompared, true);
    new Newcomer(path('state')).begun(rootIdsOf(roots.report));
    const again = start();
    assert.equal(again.report.areCompared, true);
    await again.admit(rootIdsOf(again.report), 40, at(1));
    assert.equal(again.report.areCompared, undefined);
  });

  it('is not kept up to date before it is confirmed, so that a newcomer stays one', async () => {
    const id = commonRootId((await admitted()).report);
    const again = start();
    await again.refresh(at(0, 6));
    assert.equal(record('state/.holdfast-root.json').held.epoch, 5);
    assert.equal(again.confirm('another'), false);
    assert.equal(again.confirm(String(id)), true);
    await again.refresh(at(0, 6));
    for (const file of ['data', 'config', 'state'].map((name) => `${name}/.holdfast-root.json`)) {
      assert.deepEqual([record(file).held, record(file).revision], [at(0, 6), 2], file);
    }
  });

  it('is written again with a new epoch, else once a minute', async () => {
    const roots = await admitted();
    await roots.refresh(at(2));
    assert.equal(record('state/.holdfast-root.json').revision, 1);
    nowMs += 60_000;
    await roots.refresh(at(2));
    assert.equal(record('state/.holdfast-root.json').revision, 2);
    await roots.refresh(at(2));
    assert.equal(record('state/.holdfast-root.json').revision, 2, 'nothing is new');
  });

  it('is at most one writing ahead of the state, however often that cannot be written', async () => {
    const roots = await admitted();
    const inTheWay = path('state/..holdfast-root.json.new');
    mkdirSync(inTheWay);
    for (const sequence of [2, 3, 4]) {
      nowMs += 60_000;
      await assert.rejects(roots.refresh(at(sequence)), { code: 'EISDIR' });
    }
    assert.equal(record('state/.holdfast-root.json').revision, 1);
    assert.equal(record('data/.holdfast-root.json').revision, 2);
    rmSync(inTheWay, { recursive: true });
    await roots.refresh(at(5));
    for (const file of ['data', 'config', 'state'].map((name) => `${name}/.holdfast-root.json`)) {
      assert.deepEqual([record(file).held, record(file).revision], [at(5), 2], file);
    }
  });

  it('is looked for again until it is confirmed, and not for what a file system makes itself', async () => {
    rmSync(path('data/files/alice'), { recursive: true });
    const roots = start();
    mkdirSync(path('data/files/lost+found'));
    await roots.refresh(at(1));
    assert.equal(roots.report.data.isEmpty, true);
    mkdirSync(path('data/files/alice'));
    await roots.refresh(at(1));
    assert.equal(roots.report.data.isEmpty, false);
  });

  it('is written at once when a root holds files for the first time', async () => {
    rmSync(path('data/files/alice'), { recursive: true });
    const roots = await admitted();
    assert.equal(record('data/.holdfast-root.json').holdsFiles, false);
    mkdirSync(path('data/files/alice'));
    await roots.refresh(at(1));
    assert.equal(record('data/.holdfast-root.json').holdsFiles, true);
  });

  it('stays as it is once what this host holds counts for nothing', async () => {
    const roots = await admitted();
    roots.distrust();
    await roots.refresh(at(0, 6));
    assert.deepEqual([roots.inForce, record('state/.holdfast-root.json').held.epoch], [false, 5]);
  });

  it('is written to the state last, so that the state is never ahead', async () => {
    const roots = await admitted();
    rmSync(path('config/.holdfast-root.json'));
    mkdirSync(path('config/.holdfast-root.json/in-the-way'), { recursive: true });
    await assert.rejects(roots.refresh(at(0, 6)));
    const revisions = ['data', 'state'].map((name) => record(`${name}/.holdfast-root.json`).revision);
    assert.deepEqual(revisions, [2, 1]);
  });

  it('is that of a configuration that is there while a last good copy of its host keys is', () => {
    rmSync(path('config/host_keys'), { recursive: true });
    assert.equal(start().report.config.isEmpty, true);
    const kept = join(lastGoodRoot(path('config')), 'host_keys');
    mkdirSync(kept, { recursive: true });
    writeFileSync(join(kept, 'ssh_host_ed25519_key'), 'private');
    assert.equal(start().report.config.isEmpty, false);
  });

  it('ends a process whose root is taken away, replaced or emptied', async () => {
    const lost = async (change: () => void) => {
      const roots = await admitted();
      change();
      await assert.rejects(roots.refresh(at(2)), { code: 'ROOT_EMPTY' });
    };
    await lost(() => rmSync(path('data/files/alice'), { recursive: true }));
    mkdirSync(path('data/files/alice'));
    await lost(() => {
      renameSync(path('data/files'), path('unmounted'));
      mkdirSync(path('data/files/alice'), { recursive: true });
    });
    await lost(() => rmSync(path('config'), { recursive: true }));
  });

  it('never forgets that there were files', async () => {
    const roots = await admitted();
    rmSync(path('data/files/alice'), { recursive: true });
    await roots.refresh(at(0, 9)).catch(() => {});
    const { data } = start().report;
    assert.deepEqual([data.isEmpty, data.record?.holdsFiles], [true, true]);
  });

  it('is not one when it is damaged or that of another root', async () => {
    await admitted();
    writeFileSync(path('data/.holdfast-root.json'), '{');
    assert.equal(start().report.data.record, null);
    writeFileSync(path('data/.holdfast-root.json'), readFileSync(path('state/.holdfast-root.json')));
    assert.equal(start().report.data.record, null);
  });

  it('is kept in the state for storage that all hosts share, which is not taken for empty when it is away', async () => {
    const roots = start('shared');
    await roots.admit(rootIdsOf(roots.report), 40, at(1));
    assert.equal(existsSync(path('data/.holdfast-root.json')), false, 'that place is no host’s own');
    rmSync(path('data/files/alice'), { recursive: true });
    const again = start('shared');
    assert.deepEqual([again.report.data.isEmpty, again.report.data.record?.holdsFiles], [true, true]);
    await again.admit(rootIdsOf(again.report), 50, at(1));
    assert.equal(commonRootId(again.report), commonRootId(roots.report), 'nothing brings the files back');
  });
});
