import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { LabHost } from '../../lab/host.ts';
import { Lab } from '../../lab/lab.ts';
import { underScrutiny } from '../../lab/scrutiny.ts';

describe('a cluster under load', { timeout: 300_000 }, () => {
  let lab: Lab;

  before(async () => {
    lab = await Lab.create();
    await lab.start();
  });
  after(() => lab.dispose());

  /** Moves the service to the next host in turn. */
  async function moveOn(): Promise<LabHost> {
    const leader = await lab.waitForService();
    const next = lab.hosts[(lab.hosts.indexOf(leader) + 1) % lab.hosts.length] ?? assert.fail();
    await mayLead(next);
    const { exitCode, text } = await leader.holdfast('switchover', '--to', next.name, '--yes');
    assert.equal(exitCode, 0, text);
    return lab.waitForLeader([next]);
  }

  async function mayLead(host: LabHost): Promise<void> {
    await lab.wait(`${host.name} to say that it may lead`, async () => {
      const said = (await host.status()).hosts.find(({ node }) => node === host.name);
      return said?.ineligible.length === 0;
    });
  }

  it('is looked at by a watch that sees when two hosts have one address', async () => {
    const contested = '10.77.0.150';
    const watch = await lab.watchAddress(contested);
    try {
      await lab.wait('nobody to answer', async () => watch.answers.at(-1)?.macs.length === 0);
      const [one, two] = lab.hosts;
      await one?.network.ip('addr', 'add', `${contested}/32`, 'dev', 'eth0');
      await lab.wait('one to answer', async () => watch.answers.at(-1)?.macs.length === 1);
      assert.deepEqual(watch.doubled, []);
      await two?.network.ip('addr', 'add', `${contested}/32`, 'dev', 'eth0');
      await lab.wait('two to answer', async () => watch.doubled.length > 0);
      for (const host of [one, two]) await host?.network.ip('addr', 'del', `${contested}/32`, 'dev', 'eth0');
    } finally {
      await watch.stop();
    }
  });

  it('is moved twenty times, and no acknowledged file is lost on any host (G2, G3)', async () => {
    await underScrutiny(lab, async ({ load, watch }) => {
      for (let move = 1; move <= 20; move++) {
        await moveOn();
        await load.more(1);
      }
      assert.equal(watch.holders.size, lab.hosts.length, 'the watch saw every host with the address');
    });
  });
});
