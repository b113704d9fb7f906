import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig } from '../../../../supervisor/config/load.ts';
import type { Cause } from '../../../../supervisor/core/cause.ts';
import { Lateness } from '../../../../supervisor/health/lateness.ts';
import { HealthMonitor } from '../../../../supervisor/health/monitor.ts';
import { waitFor } from '../../../lab/wait.ts';

describe('the health of a host', () => {
  it('tells that etcd has no majority, and leaves to the lease whether this host may lead', async (test) => {
    const { config, problems } = parseConfig(`cluster: c
node: { id: a }
etcd: { endpoints: ['http://127.0.0.1:1'] }
vips: [{ address: 10.0.0.100/24, interface: lo }]
replication: { address: 10.0.0.11 }
`);
    let unfit: Cause[] = [];
    const monitor = new HealthMonitor({
      config: config ?? assert.fail(JSON.stringify(problems)),
      watchdog: null,
      askForAddresses: async () => null,
      node: { ask: () => {}, answer: () => null },
      engine: { ask: () => {}, answer: () => null, pid: () => undefined },
      lateness: new Lateness(() => 0),
      quarantine: () => null,
      failedFiles: () => null,
      reports: {
        isServing: () => false,
        hasSftpPort: () => true,
        leaderLinks: () => null,
        unfit: (causes) => {
          unfit = causes;
        },
        silentEngine: () => {},
        stuckEngine: () => {},
        silentNode: () => {},
      },
    });
    const over = new AbortController();
    test.after(() => over.abort());
    const running = monitor.run(over.signal);
    const isPending = () => unfit.some(({ code }) => code === 'CHECK_PENDING');
    const codes = () => monitor.facts.map(({ code }) => code);
    await waitFor('all to be looked at', () => !isPending() && codes().includes('ETCD_NO_MAJORITY'));
    assert.deepEqual(
      unfit.filter(({ code }) => code.startsWith('ETCD_')),
      [],
    );
    over.abort();
    await running;
  });
});
