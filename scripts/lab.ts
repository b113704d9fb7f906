import { removeLeftovers } from '../test/lab/leftovers.ts';

if (process.argv[2] !== 'clean') {
  process.stderr.write('usage: scripts/lab clean\n');
  process.exit(2);
}
for (const name of await removeLeftovers()) process.stdout.write(`removed ${name}\n`);
