/**
 * npm run torture -- [--minutes N] [--seed N] [--rounds N] [--faults KIND,...] [--clients N]
 *                    [--hurry] [--keep-going] [--json]
 *
 * Clients of our own use a real cluster through its virtual IP and keep what they sent and were answered, while faults
 * that the seed draws befall its hosts, power cuts among them. In the end everything that was acknowledged must be on
 * every host, and all hosts must have the same. The seed draws the faults and the requests; what real processes make of
 * them differs from run to run. Exits 1 when something is broken that this release is meant to keep (expectations.ts).
 */
import { parseArgs } from 'node:util';
import { type FaultKind, faultKinds } from './faults/plan.ts';
import { asJson, asText, isBroken } from './report.ts';
import { torture } from './torture.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: `${Math.floor(Math.random() * 1e9)}` },
    rounds: { type: 'string' },
    faults: { type: 'string' },
    clients: { type: 'string', default: '5' },
    hurry: { type: 'boolean', default: false },
    'keep-going': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});

function kindsOf(names: string): FaultKind[] {
  return names.split(',').map((name) => {
    const kind = faultKinds.find((each) => each === name.trim());
    if (kind === undefined) throw new Error(`${name} is none of ${faultKinds.join(', ')}`);
    return kind;
  });
}

const findings = await torture({
  seed: Number(values.seed),
  minutes: Number(values.minutes),
  rounds: values.rounds === undefined ? undefined : Number(values.rounds),
  kinds: values.faults === undefined ? undefined : kindsOf(values.faults),
  clients: Number(values.clients),
  isHurried: values.hurry,
  keepsGoing: values['keep-going'],
  progress: (line) => process.stderr.write(`${line}\n`),
});
process.stdout.write(values.json ? `${asJson(findings)}\n` : asText(findings));
process.exitCode = isBroken(findings) ? 1 : 0;
