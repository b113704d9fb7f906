import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { exitCodes } from '../../../supervisor/cli/exit-codes.ts';
import type { HistoryRecord } from '../../../supervisor/core/records/history.ts';
import { isOver } from '../../../supervisor/core/records/operation.ts';
import type { LabHost } from '../../lab/host.ts';
import { Lab } from '../../lab/lab.ts';

describe('operators', { timeout: 600_000 }, () => {
  let lab: Lab;
  let leader: LabHost;
  let target: LabHost;
  before(async () => {
    lab = await Lab.create();
    await lab.start();
  });
  after(() => lab.dispose());
  beforeEach(async () => {
    leader = await lab.waitForService();
    target = lab.others(leader)[0] ?? assert.fail();
    await lab.wait('every host to say that it may lead', async () => {
      for (const { node, ineligible } of (await leader.status()).hosts) {
        const [reason] = ineligible;
        if (reason !== undefined) throw new Error(`${node}: ${reason.code}: ${reason.sentence}`);
      }
      return true;
    });
  });

  const holdfast = (host: LabHost, ...args: string[]) => host.holdfast(...args);
  const history = async () => {
    const { text } = await holdfast(leader, 'history', '--json');
    return JSON.parse(text) as HistoryRecord[];
  };
  /** The operation that a command asked for, when it is over. */
  const ended = (asked: { text: string }) => {
    const id = / ([0-9a-f]{8})\b/.exec(asked.text)?.[1];
    return lab.wait(`the operation ${id} to be over`, async () => {
      for (const host of lab.hosts) {
        const operation = (await host.status().catch(() => null))?.operation;
        if (operation && operation.id === id && isOver(operation)) return operation;
      }
      return null;
    });
  };

  it('move the service, watch it, and find it in the history', async () => {
    await lab.client.sftp(lab.vipV4, 'put /etc/hostname kept\n');
    const asked = await holdfast(leader, 'switchover', '--to', target.name, '--yes');
    assert.equal(asked.exitCode, 0, asked.text);
    for (const line of [
      // Steps of a few milliseconds may pass between two looks.
      /preparing|draining|handing-off|leaving|transferring/,
      /done: HANDED_OVER/,
      /could not connect to .* for \d+ ms/,
    ]) {
      assert.match(asked.text, line);
    }
    assert.equal((await lab.waitForLeader()).name, target.name);
    await lab.client.sftp(lab.vipV4, 'get kept kept.back\nrm kept\n');
    const record = (await history()).at(-1);
    assert.deepEqual(
      [record?.from?.node, record?.node, record?.cause.code],
      [leader.name, target.name, 'SWITCHOVER'],
    );
    assert.match(record?.requestedBy ?? '', / on /);
    assert.equal(leader.supervisorIsRunning, true);
  });

  it('see a plan that changes nothing, from any host', async () => {
    const { epoch } = await leader.status();
    const plan = await holdfast(target, 'switchover', '--dry-run');
    assert.equal(plan.exitCode, 0, plan.text);
    assert.match(plan.text, new RegExp(`from ${leader.name} to [abc]`));
    await delay(500);
    assert.equal((await leader.status()).epoch, epoch);
  });

  it('are refused what makes no sense, with the reason', async () => {
    const { refused, usage } = exitCodes;
    const refusals: [args: string[], code: RegExp, exit: number][] = [
      [['switchover', '--to', leader.name, '--yes'], /ALREADY_LEADING/, refused],
      [['switchover', '--to', 'nowhere', '--yes'], /TARGET_UNKNOWN.*a, b, c/, usage],
      [['switchover', '--at', '2020-01-01T00:00:00Z', '--yes'], /REQUEST_INVALID.*past/, usage],
      [['switchover', '--at', '2030-01-01T00:00:00', '--yes'], /offset/, usage],
      [['switchover'], /give --yes/, usage],
      [['failover', '--yes'], /LEADER_PRESENT/, refused],
      [['operation', 'cancel'], /NO_OPERATION/, refused],
      [['resume'], /NOT_PAUSED/, refused],
    ];
    for (const [args, code, exit] of refusals) {
      const { exitCode, text } = await holdfast(leader, ...args);
      assert.equal(exitCode, exit, `${args.join(' ')}: ${text}`);
      assert.match(text, code);
    }
  });

  it('schedule a switchover, which stands in the way of another, survives restarts and can be called off', async () => {
    const at = new Date(Date.now() + 3_600_000).toISOString();
    const asked = await holdfast(leader, 'switchover', '--to', target.name, '--at', at, '--yes');
    assert.equal(asked.exitCode, 0, asked.text);
    const second = await holdfast(target, 'switchover', '--yes');
    assert.match(second.text, /OPERATION_RUNNING/);
    await leader.signalSupervisor('SIGTERM');
    leader.startSupervisor();
    const next = await lab.waitForService();
    assert.equal((await next.status()).operation?.state, 'pending');
    assert.match((await holdfast(next, 'operation', 'cancel')).text, /called off/);
    assert.equal((await ended(asked)).state, 'cancelled');
  });

  it('schedule a switchover that begins at its time', async () => {
    const at = new Date(Date.now() + 3000).toISOString();
    const asked = await holdfast(leader, 'switchover', '--to', target.name, '--at', at, '--yes');
    assert.equal((await leader.status()).phase, 'leading');
    assert.equal((await ended(asked)).state, 'done');
    assert.equal((await lab.waitForLeader()).name, target.name);
  });

  it('wait for transfers that run, and take a switchover back meanwhile', async () => {
    await lab.client.exec('truncate', ['-s', '1G', 'large']);
    const upload = lab.client.spawnSftp(lab.vipV4, 'put large slow\n', ['-l', '8000']);
    await lab.wait('the upload to run', async () => (await leader.status()).activity.transfers > 0);
    const { epoch } = await leader.status();
    const asked = await holdfast(
      leader,
      'switchover',
      '--to',
      target.name,
      '--drain',
      '60s',
      '--yes',
      '--no-wait',
    );
    assert.equal(asked.exitCode, 0, asked.text);
    await lab.wait('the drain', async () => (await leader.status()).operation?.step === 'draining');
    await lab.client.sftp(lab.vipV4, 'put /etc/hostname during\nrm during\n');
    const cancelled = await holdfast(target, 'operation', 'cancel');
    assert.match(cancelled.text, /OPERATION_CANCELLED/);
    const status = await leader.status();
    assert.deepEqual([status.phase, status.epoch], ['leading', epoch]);
    await lab.client.sftp(lab.vipV4, 'put /etc/hostname after\nrm after\n');
    // What just ended may be counted a moment longer; the upload goes on being counted.
    await lab.wait('the upload alone to go on', async () => (await leader.status()).activity.transfers === 1);
    upload.kill('SIGKILL');
    await upload;
    await lab.client.sftp(lab.vipV4, 'rm slow\n');
  });

  for (const who of ['leader', 'target'] as const) {
    // Soon after the step was seen; at each step itself in virtual time, in test/sim/steps.test.ts.
    for (const step of ['preparing', 'draining', 'leaving'] as const) {
      it(`lose the ${who} soon after the step "${step}" was seen, and one host serves all the same`, async () => {
        const asked = await holdfast(leader, 'switchover', '--to', target.name, '--yes', '--no-wait');
        assert.equal(asked.exitCode, 0, asked.text);
        const victim = who === 'leader' ? leader : target;
        // The steps take milliseconds: whichever one it is at when the signal comes is the one tested.
        await lab.wait(`step ${step} or later`, async () => {
          const { operation } = await leader.status();
          if (operation === null || !asked.text.includes(operation.id)) return false;
          return operation.steps.some((entry) => entry.step === step) || isOver(operation);
        });
        await victim.signalSupervisor('SIGKILL');
        await lab.waitForLeader(lab.others(victim));
        await lab.client.sftp(lab.vipV4, 'put /etc/hostname x\nrm x\n');
        victim.startSupervisor();
        await lab.waitForService();
        assert.ok(['done', 'failed'].includes((await ended(asked)).state));
        for (const host of lab.hosts) {
          const hasVip = (await host.network.addresses()).includes(lab.vipV4);
          assert.equal(hasVip, (await host.status()).phase === 'leading');
        }
      });
    }
  }

  it('pause: a dead leader is not followed by another, until the pause is over', async () => {
    assert.equal((await holdfast(target, 'pause', '--reason', 'switch upgrade')).exitCode, 0);
    await lab.wait('the pause to be known', async () => (await leader.status()).paused !== null);
    const shown = await holdfast(leader, 'status');
    assert.match(shown.text, /PAUSED by .* switch upgrade/);
    assert.match((await holdfast(leader, 'why')).text, /nobody would take over, since the cluster is paused/);
    await leader.signalSupervisor('SIGKILL');
    await delay(6000);
    for (const host of lab.others(leader)) assert.equal((await host.status()).phase, 'standby');
    leader.startSupervisor();
    assert.equal((await lab.waitForLeader()).name, leader.name, 'who led may lead again');
    assert.equal((await holdfast(leader, 'switchover', '--to', target.name, '--yes')).exitCode, 0);
    assert.equal((await lab.waitForLeader()).name, target.name, 'an operator’s word counts');
    assert.equal((await holdfast(leader, 'resume')).exitCode, 0);
    await lab.wait('the end of the pause', async () => (await target.status()).paused === null);
  });

  it('fail over by force when only a host is left that may lack files, knowing so', async () => {
    const [other] = lab.others(leader).filter((host) => host !== target);
    if (other === undefined) return assert.fail();
    for (const host of [target, other]) {
      await host.signalSupervisor('SIGKILL');
    }
    // Alone, the leader takes the others out of the in-sync set before it acknowledges.
    await lab.client.sftp(lab.vipV4, 'put /etc/hostname only-here\n');
    const here = await holdfast(leader, 'replication', 'at-risk');
    assert.match(here.text, /as \S+ knows now, which leads/);
    assert.match(here.text, new RegExp(`${target.name} may lack`));
    assert.match(here.text, /only-here/);
    // What etcd has is a few seconds old.
    await lab.wait('etcd to be told', async () =>
      (await leader.etcdctl('get', '--prefix', '/holdfast/')).includes('only-here'),
    );
    await leader.signalSupervisor('SIGKILL');
    target.startSupervisor();
    other.startSupervisor();
    await lab.wait('nobody to lead', async () => {
      const status = await target.status().catch(() => null);
      return (
        status !== null &&
        status.leader === null &&
        status.hosts.some(({ node, role }) => node === target.name && role === 'standby')
      );
    });
    const refused = await holdfast(target, 'failover', '--to', target.name, '--yes');
    assert.equal(refused.exitCode, exitCodes.refused);
    assert.match(refused.text, /NOT_IN_SYNC/);
    const forced = await holdfast(target, 'failover', '--to', target.name, '--force', '--yes-lose-data');
    assert.equal(forced.exitCode, 0, forced.text);
    assert.match(forced.text, /when it led; what was acknowledged since then is not in it[\s\S]*only-here/);
    assert.match(forced.text, /done: TAKEN_OVER/);
    assert.equal((await lab.waitForLeader()).name, target.name);
    leader.startSupervisor();
    await lab.waitForService();
    const record = JSON.parse((await holdfast(target, 'history', '--json')).text).at(-1);
    assert.equal(record.cause.code, 'FAILOVER');
    await lab.wait('what the host lacks to be shown afterwards', async () =>
      /by force, at epoch [\s\S]*only-here/.test((await holdfast(target, 'replication', 'at-risk')).text),
    );
  });
});
