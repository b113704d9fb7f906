import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DirectoryListing } from '../../../../replicator/core/directory-listing.ts';
import { Random } from '../../../sim/timeline.ts';

const all = Array.from({ length: 30 }, (_, index) => `n${String(index).padStart(2, '0')}`);

describe('a listing that is read at leisure', () => {
  it('has pages that are each true for the moment of the page, and together are the directory', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const random = new Random(seed);
      const directory = new Set(all.filter(() => random.chance(0.5)));
      const listing = new DirectoryListing();
      const change = () => {
        for (let count = random.below(4); count > 0; count--) {
          const name = random.pick(all);
          if (!directory.delete(name)) directory.add(name);
          listing.touch(name);
        }
      };
      // Each name is read at another time.
      const read = all.filter((name) => {
        if (random.chance(0.2)) change();
        return directory.has(name);
      });
      listing.complete(read);
      for (let after: string | null = null, isLast = false; !isLast; ) {
        change();
        const limit = 1 + random.below(5);
        const page = listing.page(after, limit, (name) => directory.has(name));
        const { upTo, names } = page;
        const isInRange = (name: string) =>
          (after === null || name > after) && (upTo === null || name <= upTo);
        assert.deepEqual(names, [...directory].filter(isInRange).sort(), `seed ${seed}`);
        assert.ok(names.length <= limit && (upTo === null || after === null || upTo > after));
        after = upTo;
        isLast = upTo === null;
      }
    }
  });
});
