import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Etcd3 } from 'etcd3';
import { type Endpoint, EndpointRing } from '../../../../../supervisor/adapters/etcd/endpoints.ts';

const denied = '7 PERMISSION_DENIED: etcdserver: permission denied';
const full = '8 RESOURCE_EXHAUSTED: etcdserver: mvcc: database space exceeded';
const away = '14 UNAVAILABLE: connect ECONNREFUSED';

type Answers = Record<string, string | null | Error>;

/** Members that answer with this text, fail with this error, or never answer (null). */
function ringOf(answers: Answers) {
  const asked: string[] = [];
  const endpoints = Object.keys(answers).map(
    (url) => ({ url, client: { url } as unknown as Etcd3, openClient: () => null }) as unknown as Endpoint,
  );
  const ask = async (client: Etcd3) => {
    const { url } = client as unknown as { url: string };
    asked.push(url);
    const answer = answers[url];
    if (answer instanceof Error) throw answer;
    return answer ?? new Promise<string>(() => {});
  };
  const ring = new EndpointRing(endpoints);
  return { asked, ask: (budgetMs = 60) => ring.ask(ask, budgetMs, 10) };
}

describe('the members of etcd, asked in turn', () => {
  it('answer as the first that can', async () => {
    const { ask, asked } = ringOf({ a: new Error(away), b: null, c: 'yes', d: 'no' });
    assert.equal(await ask(), 'yes');
    assert.deepEqual(asked, ['a', 'b', 'c']);
  });

  it('are unreachable when none of them answers, each with what it said', async () => {
    const { ask } = ringOf({ a: new Error(away), b: null });
    await assert.rejects(ask(), {
      code: 'ETCD_UNREACHABLE',
      message: `no etcd member answered: tried a (${away}), b (no answer)`,
    });
  });

  it('refuse for all when one refuses what etcd decides in one order', async () => {
    const { ask, asked } = ringOf({ a: new Error(denied), b: 'yes' });
    await assert.rejects(ask(), { code: 'ETCD_PERMISSION_DENIED', message: `etcd refuses: a (${denied})` });
    assert.deepEqual(asked, ['a']);
  });

  it('do not let a refusal wait for those who are silent', { timeout: 5000 }, async () => {
    const { ask } = ringOf({ a: null, b: new Error(denied) });
    await assert.rejects(ask(20_000), { code: 'ETCD_PERMISSION_DENIED' });
  });

  it('are all asked when one refuses what another may take', async () => {
    const { ask, asked } = ringOf({ a: new Error(full), b: 'yes' });
    assert.equal(await ask(), 'yes');
    assert.deepEqual(asked, ['a', 'b']);
  });

  it('refuse when those that answered did, though others are silent or away', async () => {
    const { ask } = ringOf({ a: null, b: new Error(away), c: new Error(full) });
    await assert.rejects(ask(), {
      code: 'ETCD_NO_SPACE',
      message: `etcd refuses: c (${full}); a (no answer); b (${away})`,
    });
  });

  for (const [code, text] of [
    [
      'ETCD_AUTH_FAILED',
      '3 INVALID_ARGUMENT: etcdserver: authentication failed, invalid user ID or password',
    ],
    ['ETCD_AUTH_FAILED', '3 INVALID_ARGUMENT: etcdserver: user name is empty'],
    ['ETCD_AUTH_FAILED', '9 FAILED_PRECONDITION: etcdserver: authentication is not enabled'],
    ['ETCD_AUTH_FAILED', '16 UNAUTHENTICATED: etcdserver: invalid auth token'],
    ['LEASE_LOST', '5 NOT_FOUND: etcdserver: requested lease not found'],
    ['ETCD_TTL_REFUSED', '11 OUT_OF_RANGE: etcdserver: too large lease TTL'],
    ['ETCD_OVERLOADED', '8 RESOURCE_EXHAUSTED: etcdserver: too many requests'],
    ['ETCD_ALARM', '15 DATA_LOSS: etcdserver: corrupt cluster'],
    ['ETCD_REQUEST_REFUSED', '3 INVALID_ARGUMENT: etcdserver: request is too large'],
    ['ETCD_REQUEST_REFUSED', '3 INVALID_ARGUMENT: etcdserver: duplicate key given in txn request'],
    ['ETCD_UNREACHABLE', '14 UNAVAILABLE: etcdserver: no leader'],
    ['ETCD_UNREACHABLE', '14 UNAVAILABLE: etcdserver: leader changed'],
    ['ETCD_UNREACHABLE', '14 UNAVAILABLE: etcdserver: request timed out'],
  ] as const) {
    it(`are ${code} by "${text}"`, async () => {
      await assert.rejects(ringOf({ a: new Error(text) }).ask(), { code });
    });
  }
});
