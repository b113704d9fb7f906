import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ineligibility } from '../../../../../supervisor/core/leadership/eligibility.ts';
import { planOf } from '../../../../../supervisor/core/operation/plan.ts';
import type { ClusterView } from '../../../../../supervisor/core/records/records.ts';
import type { ClusterSettings } from '../../../../../supervisor/core/records/settings.ts';
import { Host, leaderOf, liveNode, timing, view } from './host.ts';
import { operationOf } from './operations.ts';

const usual = { 'sftp.port': '2222', 'replication.mode': 'sync', vips: '10.0.0.100' };
const moved = { ...usual, 'sftp.port': '2022' };
const live = (settings: Record<string, string>, ...names: string[]) =>
  names.map((name) => liveNode(name, { settings }));
const led = (values: Record<string, string>) => ({ node: 'c', epoch: 50, values });

function sentenceOf(settings: ClusterSettings, parts: Partial<ClusterView>): string | undefined {
  const host = new Host('a', false, settings).ready().read(parts);
  return ineligibility(host.state, host.at, timing).find(({ code }) => code === 'SETTINGS_DIFFER')?.sentence;
}

describe('a standby whose settings are not those of the cluster', () => {
  it('is kept from leading by what the leader has, and told which they are', () => {
    const leader = leaderOf('c', 50);
    assert.equal(sentenceOf(usual, { leader, nodes: live(usual, 'c') }), undefined);
    assert.equal(
      sentenceOf({ ...moved, vips: '10.0.0.101' }, { leader, nodes: live(usual, 'b', 'c') }),
      'sftp.port is 2022 here and 2222 on c, which leads; vips is 10.0.0.101 here and 10.0.0.100 on c, which leads',
    );
  });

  it('goes by the leader, also when etcd tells what another led with before', () => {
    const parts = { leader: leaderOf('c', 50), nodes: live(moved, 'c'), settings: led(usual) };
    assert.equal(sentenceOf(moved, parts), undefined);
  });

  it('is kept from leading by what the last leader had, while nobody leads', () => {
    const parts = { nodes: live(usual, 'b'), settings: led(usual) };
    assert.equal(sentenceOf(moved, parts), 'sftp.port is 2022 here and 2222 on c, which led last');
    assert.equal(sentenceOf(usual, parts), undefined);
    const host = new Host('a', false, moved).ready().read(parts);
    assert.equal(host.order('leadership'), undefined);
  });

  it('is not kept from leading when every host of the in-sync set has the same by now', () => {
    const settings = led(usual);
    assert.equal(sentenceOf(moved, { nodes: live(moved, 'b', 'c'), settings }), undefined);
    assert.match(
      sentenceOf(moved, { nodes: live(moved, 'b'), settings }) ?? '',
      /led last/,
      'c may come yet',
    );
    const mixed = [...live(moved, 'b'), ...live(usual, 'c')];
    assert.match(sentenceOf(moved, { nodes: mixed, settings }) ?? '', /led last/);
    const alone = { members: ['a'], epoch: 1, reason: '', modRevision: 7 };
    assert.equal(sentenceOf(moved, { inSync: alone, settings }), undefined, 'a cluster of one');
  });

  it('is not kept from leading by what nobody told: another release, or a record that is missing', () => {
    assert.equal(sentenceOf(moved, { leader: leaderOf('c', 50), nodes: live({}, 'c') }), undefined);
    assert.equal(sentenceOf(moved, { nodes: live(usual, 'b') }), undefined);
    const newer = { ...usual, 'sftp.newer': 'x' };
    assert.equal(sentenceOf(usual, { leader: leaderOf('c', 50), nodes: live(newer, 'c') }), undefined);
    assert.equal(sentenceOf(newer, { leader: leaderOf('c', 50), nodes: live(usual, 'c') }), undefined);
  });

  it('leads by an operator’s force, and by nothing less', () => {
    const parts = { nodes: live(usual, 'b'), settings: led(usual) };
    const operation = operationOf({ kind: 'failover', to: 'a', dueAtMs: 9000 });
    const asked = (force: boolean) =>
      new Host('a', false, moved).ready().takesUp({ ...operation, force }, parts);
    assert.equal(asked(false).order('leadership'), undefined);
    assert.equal(asked(true).order('leadership')?.want, 'claim');
  });
});

describe('a leader', () => {
  const leader = leaderOf('a', 200);

  it('tells etcd what it leads with, when that is not what etcd says', () => {
    const host = new Host('a', false, moved).leading().read({ leader, settings: led(usual) });
    assert.deepEqual(host.order('settings'), { kind: 'settings', epoch: 200, values: moved });
    host.read({ leader, settings: { node: 'a', epoch: 200, values: moved } });
    assert.equal(host.order('settings'), undefined);
    const older = { ...moved, 'sftp.older': 'x' };
    host.read({ leader, settings: { node: 'b', epoch: 100, values: older } });
    assert.ok(host.order('settings'), 'a name that it does not have itself is in force no more');
  });

  it('is not judged by what another led with', () => {
    assert.equal(sentenceOf(moved, { leader: leaderOf('a', 50), settings: led(usual) }), undefined);
  });

  const differs = { code: 'SETTINGS_DIFFER', sentence: 'sftp.port' };
  const nodes = [liveNode('a'), liveNode('c', { ineligible: [differs], settings: moved })];
  const phaseAfter = (parts: Parameters<typeof operationOf>[0], candidates = nodes) => {
    const host = new Host('a', false, usual).leading().read({ leader, nodes: candidates });
    return host.read({ leader, nodes: candidates, operation: operationOf(parts) });
  };

  it('hands over to a host whose settings differ by force alone', () => {
    assert.equal(phaseAfter({}).phase, 'leading');
    assert.equal(phaseAfter({}).state.operation?.outcome?.code, 'TARGET_INELIGIBLE');
    const forced = phaseAfter({ force: true });
    assert.equal(forced.phase, 'handing-over');
    forced.see({ type: 'tick' });
    assert.equal(forced.phase, 'handing-over', 'and it is not called off for that');
  });

  it('does not hand over by force to a host that may lack files', () => {
    const lacking = [liveNode('c', { ineligible: [differs, { code: 'NOT_IN_SYNC', sentence: '' }] })];
    assert.equal(phaseAfter({ force: true }, lacking).phase, 'leading');
  });

  it('is asked for it with the name of the host', () => {
    const request = {
      kind: 'switchover',
      to: 'c',
      at: null,
      drainMs: 0,
      drill: false,
      by: 'x',
      dryRun: true,
    } as const;
    const cluster = view({ leader, nodes });
    const refusal = (parts: object) =>
      planOf({ ...request, force: true, ...parts }, cluster, 0).refusal?.code;
    assert.equal(refusal({}), undefined);
    assert.equal(refusal({ force: false }), 'TARGET_INELIGIBLE');
    assert.equal(refusal({ to: null }), 'REQUEST_INVALID');
  });
});

describe('a host that is handed leadership', () => {
  const handed = { ...leaderOf('a', 200), handedOverBy: 'c' };
  const promoted = (settings: ClusterSettings) => {
    const host = new Host('a', false, settings).ready().read({ settings: led(usual) });
    return host.read({ leader: handed, settings: led(usual) });
  };

  it('looks for strangers on an address that the last leader did not have', () => {
    assert.equal(promoted(usual).order('vip')?.want, 'present', 'it has just been taken off there');
    assert.equal(promoted({ ...usual, vips: '10.0.0.101' }).order('vip')?.want, 'free');
  });
});
