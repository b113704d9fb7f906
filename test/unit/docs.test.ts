import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { errorTable } from '#contracts/errors.ts';
import { generatedPages } from '../../scripts/generate-docs.ts';

const root = join(import.meta.dirname, '../..');

describe('the docs', () => {
  for (const [name, make] of Object.entries(generatedPages)) {
    it(`has docs/${name} as the code makes it (npm run docs)`, () => {
      assert.equal(readFileSync(join(root, 'docs', name), 'utf8'), make());
    });
  }

  it('knows every code that the product uses', () => {
    const used = new Set<string>();
    for (const path of globSync('{supervisor,sftp-node,replicator}/**/*.ts', { cwd: root })) {
      const text = readFileSync(join(root, path), 'utf8');
      for (const [, code] of text.matchAll(/(?:\bcode: |\badd\(|HoldfastError\(\s*)'([A-Z][A-Z_]+)'/g))
        used.add(String(code));
      for (const [, code] of text.matchAll(/\bwrong\(\s*'(?:error|warning)',[^;]*?'([A-Z][A-Z_]+)'/g))
        used.add(String(code));
    }
    const known = new Set<string>([...Object.keys(errorTable), 'NOT_FOUND']);
    assert.deepEqual(
      [...used].filter((code) => !known.has(code)),
      [],
    );
    assert.ok(used.size > 20);
  });
});
