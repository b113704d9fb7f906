import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { findStranger } from '../../../../../supervisor/adapters/kernel/network/probe.ts';
import { runCommand } from '../../../../../supervisor/adapters/process/command.ts';

const v4 = { address: '10.0.0.100', prefixLength: 24, interface: 'eth0', family: 4 } as const;
const v6 = { address: 'fd77::100', prefixLength: 64, interface: 'eth0', family: 6 } as const;

/** A command of the host played by a shell script; each call takes the next, and the last one goes on. */
function playedBy(...scripts: readonly string[]) {
  let calls = 0;
  const run: typeof runCommand = (_name, _args, options) => {
    const script = scripts[Math.min(calls++, scripts.length - 1)] ?? '';
    return runCommand('setpriv', ['sh', '-c', script], options);
  };
  return { run, calls: () => calls };
}

/** As arping, which waits for a second and tells at SIGINT what it did. */
const arping = (sent: number) =>
  `trap 'echo "Sent ${sent} probes (${sent} broadcast(s))"; exit 0' INT; while :; do sleep 0.01; done`;
const replied = 'echo "Unicast reply from 10.0.0.100 [CE:EF:9E:C8:D3:7E]  0.524ms"; exit 1';

describe('the question who has an address', () => {
  it('is answered with "nobody" only by a probe that was sent', async () => {
    assert.equal(await findStranger(v4, playedBy(arping(1)).run), null);
    assert.equal(await findStranger(v6, playedBy('exit 2').run), null);
  });

  it('is answered by who has it', async () => {
    const macAddress = 'ce:ef:9e:c8:d3:7e';
    assert.deepEqual(await findStranger(v4, playedBy(replied).run), { address: v4.address, macAddress });
    const neighbour = playedBy(`echo ${macAddress.toUpperCase()}`);
    assert.deepEqual(await findStranger(v6, neighbour.run), { address: v6.address, macAddress });
  });

  it('is asked again when a busy host had not sent it in time', async () => {
    const { run, calls } = playedBy(arping(0), arping(0), arping(1));
    assert.equal(await findStranger(v4, run), null);
    assert.equal(calls(), 3);
  });

  for (const [what, vip, script, reason] of [
    ['the interface is down', v4, `echo 'Interface "eth0" is down' >&2; exit 2`, /failed \(2\): Interface/],
    ['arping is killed', v4, 'kill -9 $$', /was killed/],
    ['arping may not', v4, 'echo "Operation not permitted" >&2; exit 2', /not permitted/],
    ['ndisc6 may not', v6, 'echo "Raw IPv6 socket: Operation not permitted" >&2; exit 1', /not permitted/],
    ['ndisc6 is killed', v6, 'kill -9 $$', /was killed/],
    ['ndisc6 hangs', v6, 'exec sleep 60', /by its time/],
  ] as const) {
    it(`is not answered by silence when ${what}`, async () => {
      await assert.rejects(findStranger(vip, playedBy(script).run), {
        code: 'VIP_PROBE_FAILED',
        message: reason,
      });
    });
  }

  it('names a command that is missing', async () => {
    const run: typeof runCommand = (_name, args, options) => runCommand('no-such' as 'ip', args, options);
    await assert.rejects(findStranger(v4, run), { code: 'COMMAND_MISSING' });
  });
});
