import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { LabHost } from '../../lab/host.ts';
import { Lab } from '../../lab/lab.ts';

describe('what status, why and doctor say of a cluster that does not serve', { timeout: 180_000 }, () => {
  let lab: Lab;
  before(async () => {
    lab = await Lab.create();
    await lab.start();
  });
  after(() => lab.dispose());

  /** Waits until a command exits so, and gives what it printed. */
  const until = (host: LabHost, exit: number, ...args: string[]) =>
    lab.wait(`${args.join(' ')} on ${host.name} to exit ${exit}`, async () => {
      const { exitCode, text } = await host.holdfast(...args);
      if (exitCode !== exit) throw new Error(`${exitCode}: ${text}`);
      return text;
    });

  it('warns while one etcd member may still not die, and tells nothing old as a fact when it did', async () => {
    const leader = await lab.waitForService();
    assert.match(await until(leader, 0, 'status'), new RegExp(`: ${leader.name} leads at epoch`));
    const [first, second] = lab.others(leader);
    await first?.stopEtcd();
    await lab.wait('the warning', async () => {
      const { exitCode, text } = await leader.holdfast('why');
      return exitCode === 0 && /WARNING: ETCD_NO_SPARE: 2 of 3 etcd member/.test(text);
    });
    await second?.stopEtcd();
    for (const host of lab.hosts) {
      const why = await until(host, 5, 'why');
      assert.match(
        why,
        new RegExp(`^Who leads is not known: ${leader.name} led at epoch \\d+ \\d+ s ago`, 'm'),
      );
      assert.match(why, /as of \d+ s ago; etcd does not answer this host/);
      assert.doesNotMatch(why, / leads at epoch|may go on leading|would take over| may lead\./);
      const status = await until(host, 5, 'status', '--json');
      assert.equal(JSON.parse(status).outlook.verdict, 'unknown');
    }
    assert.match(await until(leader, 1, 'doctor'), /^ERROR {4}CLUSTER_UNKNOWN: /m);
    first?.startEtcd();
    second?.startEtcd();
    await lab.waitForService();
    await until(leader, 0, 'status');
  });

  it('names what is left to do when nobody leads, and looks at the other hosts when told to', async () => {
    const leader = await lab.waitForService();
    const [asked] = lab.others(leader);
    assert.ok(asked);
    assert.equal((await asked.holdfast('pause', '--reason', 'outlook')).exitCode, 0);
    await leader.signalSupervisor('SIGKILL');
    await leader.release();
    assert.match(await until(asked, 4, 'status'), /Nobody leads\.[\s\S]*next: `holdfast resume`/);
    const text = await until(asked, 1, 'doctor', '--cluster');
    assert.match(text, /^ERROR {4}NOT_LEADING: Nobody leads\. .*paused/m);
    assert.match(text, new RegExp(`^ERROR {4}HOST_AWAY: ${leader.name} is away`, 'm'));
    assert.equal((await asked.holdfast('resume')).exitCode, 0);
    await lab.waitForLeader(lab.others(leader));
    leader.startSupervisor();
    await lab.waitForService();
  });
});
