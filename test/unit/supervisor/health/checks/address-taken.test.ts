import assert from 'node:assert/strict';
import { describe, it, mock } from 'node:test';
import { HoldfastError } from '#contracts/errors.ts';
import { addressTakenFact } from '../../../../../supervisor/health/checks/address-taken.ts';

const leader = '02:00:00:00:00:0a';
const stranger = '02:00:00:00:00:ff';
const takenBy = (macAddress: string) => async () => ({ address: '10.0.0.100', macAddress });

async function codeWhen(
  ask: () => Promise<{ address: string; macAddress: string } | null>,
  expected: readonly string[] | null = [leader],
): Promise<string> {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const fact = addressTakenFact({ ask, expected: () => expected });
    for (let turn = 0; turn < 20; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
      mock.timers.tick(1000);
    }
    return (await fact).code;
  } finally {
    mock.timers.reset();
  }
}

describe('the virtual IP, as a standby finds it', () => {
  it('may be on the leader, or on nobody', async () => {
    assert.equal(await codeWhen(takenBy(leader)), '');
    assert.equal(await codeWhen(async () => null), '');
  });

  it('is told when a stranger has it', async () => {
    assert.equal(await codeWhen(takenBy(stranger)), 'VIP_IN_USE');
  });

  it('is told when nobody could be asked, as a promotion would fail at that', async () => {
    const ask = () => Promise.reject(new HoldfastError('VIP_PROBE_FAILED', 'arping was killed'));
    assert.equal(await codeWhen(ask), 'VIP_PROBE_FAILED');
  });

  it('is not judged by one look: a switchover may be under way, or this host be busy', async () => {
    const answers = [takenBy(stranger), takenBy(leader)];
    assert.equal(await codeWhen(() => answers.shift()?.() ?? assert.fail()), '');
  });

  it('is left to the promotion while nobody is known to lead', async () => {
    assert.equal(await codeWhen(() => assert.fail('nobody is asked'), null), '');
  });
});
