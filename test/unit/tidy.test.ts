/** The repository lints itself: what no linter knows about this project's layout. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, it } from 'node:test';

const root = join(import.meta.dirname, '../..');
const sources = globSync('{contracts,supervisor,sftp-node,replicator,scripts,test}/**/*.ts', {
  cwd: root,
}).map((path) => ({
  path,
  text: readFileSync(join(root, path), 'utf8'),
}));
const product = sources.filter(({ path }) => /^(contracts|supervisor|sftp-node|replicator)\//.test(path));

function importsOf({ path, text }: { path: string; text: string }): string[] {
  const specifiers = [...text.matchAll(/(?:from|import\()\s*'([^']+)'/g)].map((match) => String(match[1]));
  return specifiers.map((specifier) =>
    specifier.startsWith('#contracts/')
      ? specifier.replace('#contracts/', 'contracts/')
      : specifier.startsWith('.')
        ? normalize(join(dirname(path), specifier))
        : specifier,
  );
}

function areaOf(path: string): string {
  return path.split('/')[0] ?? '';
}

/** Who may import whom: contracts <- {sftp-node, replicator, supervisor} <- {scripts, test}. */
const mayImport: Record<string, readonly string[]> = {
  contracts: ['contracts'],
  'sftp-node': ['contracts', 'sftp-node'],
  replicator: ['contracts', 'replicator'],
  supervisor: ['contracts', 'supervisor'],
  scripts: ['contracts', 'sftp-node', 'replicator', 'supervisor', 'scripts', 'test'],
  test: ['contracts', 'sftp-node', 'replicator', 'supervisor', 'scripts', 'test'],
};

function offences(find: (source: { path: string; text: string }) => string[]): string[] {
  return product.flatMap((source) => find(source).map((what) => `${source.path}: ${what}`));
}

describe('the repository', () => {
  it('has sources to look at', () => {
    assert.ok(product.length > 50);
  });

  it('imports in one direction', () => {
    const wrong = sources.flatMap((source) =>
      importsOf(source)
        .filter((target) => target.includes('/') && Object.hasOwn(mayImport, areaOf(target)))
        .filter((target) => !mayImport[areaOf(source.path)]?.includes(areaOf(target)))
        .map((target) => `${source.path} imports ${target}`),
    );
    assert.deepEqual(wrong, []);
  });

  it('keeps the core of the supervisor pure: no platform, no adapters', () => {
    const allowed = /^(supervisor\/core\/|contracts\/|zod$)/;
    const wrong = product
      .filter(({ path }) => path.startsWith('supervisor/core/'))
      .flatMap((source) =>
        importsOf(source)
          .filter((target) => !allowed.test(target))
          .map((target) => `${source.path} imports ${target}`),
      );
    assert.deepEqual(wrong, []);
  });

  it('keeps rooms apart: the runtime is handed its adapters, which know nothing of commands and the control socket', () => {
    const rooms: Record<string, RegExp> = {
      'supervisor/runtime/': /^supervisor\/(adapters|cli|control|doctor|release|health)\//,
      'supervisor/observers/': /^supervisor\/(adapters|cli|control|doctor|release|health)\//,
      'supervisor/adapters/': /^supervisor\/(cli|control|doctor|release|health|observers)\//,
      'supervisor/health/': /^supervisor\/(cli|control|doctor|release)\//,
      'supervisor/control/': /^supervisor\/(cli|doctor|release)\//,
    };
    const wrong = Object.entries(rooms).flatMap(([room, forbidden]) =>
      product
        .filter(({ path }) => path.startsWith(room))
        .flatMap((source) =>
          importsOf(source)
            .filter((target) => forbidden.test(target))
            .map((target) => `${source.path} imports ${target}`),
        ),
    );
    assert.deepEqual(wrong, []);
  });

  it('has nothing but main.ts and the composition at the root of the supervisor', () => {
    const atRoot = product.map(({ path }) => path).filter((path) => /^supervisor\/[^/]+$/.test(path));
    assert.deepEqual(atRoot.sort(), ['supervisor/composition.ts', 'supervisor/main.ts']);
  });

  it('has no circles of imports, of types either', () => {
    const targets = new Map(product.map((source) => [source.path, importsOf(source)]));
    const done = new Set<string>();
    const circles: string[] = [];
    const visit = (path: string, way: readonly string[]): void => {
      const from = way.indexOf(path);
      if (from >= 0) circles.push([...way.slice(from), path].join(' -> '));
      if (from >= 0 || done.has(path)) return;
      for (const target of targets.get(path) ?? []) if (targets.has(target)) visit(target, [...way, path]);
      done.add(path);
    };
    for (const path of targets.keys()) visit(path, []);
    assert.deepEqual(circles, []);
  });

  it('starts processes only through execa or as commands, never through a shell', () => {
    assert.deepEqual(
      offences(({ path, text }) =>
        [...text.matchAll(/child_process|shell: true|execaCommand/g)]
          .map(([found]) => found)
          .filter((found) => found !== 'child_process' || path !== 'supervisor/adapters/process/command.ts'),
      ),
      [],
    );
  });

  it('loads no package for the release after a crash: nobody serves meanwhile', () => {
    const seen = new Set(['supervisor/release/main.ts']);
    for (const path of seen) {
      if (!path.endsWith('.ts')) continue;
      const text = readFileSync(join(root, path), 'utf8').replaceAll(/^import type [^;]+;/gm, '');
      for (const target of importsOf({ path, text })) seen.add(target);
    }
    assert.ok(seen.has('supervisor/adapters/process/command.ts'), 'the imports are followed');
    const packages = [...seen].filter((target) => !target.endsWith('.ts') && !target.startsWith('node:'));
    assert.deepEqual(packages, []);
    // Their imports evaluate all that they export: 45 ms.
    assert.deepEqual(
      [...seen].filter((target) => /^node:https?$/.test(target)),
      [],
    );
  });

  it('measures elapsed time by boot time, never by the wall clock', () => {
    const allowed = [
      'supervisor/adapters/kernel/system-clock.ts', // the wall clock for people
      'replicator/state/wall-clock.ts', // names of quarantine folders, the end of a scrub
      'sftp-node/wall-time.ts', // dates in listings
      'supervisor/adapters/etcd/endpoints.ts', // gRPC takes deadlines as dates
    ];
    const wrong = offences(({ path, text }) =>
      allowed.includes(path) ? [] : [...text.matchAll(/Date\.now\(\)|new Date\(\)/g)].map(([found]) => found),
    );
    assert.deepEqual(
      wrong.filter((line) => !line.includes('WallMs')),
      [],
    );
  });

  it('has no leftovers', () => {
    const word = new RegExp(['FIX', 'ME|TO', 'DO|XX', 'X'].join(''));
    const wrong = sources.filter(({ text }) => word.test(text)).map(({ path }) => path);
    assert.deepEqual(wrong, []);
  });

  it('has no file that hides several ideas', () => {
    const long = product.filter(({ text }) => text.split('\n').length > 400).map(({ path }) => path);
    assert.deepEqual(long, []);
  });
});
