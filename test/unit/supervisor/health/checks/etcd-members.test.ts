import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, describe, it } from 'node:test';
import {
  etcdFacts,
  lookAtMembers,
  type MemberLook,
} from '../../../../../supervisor/health/checks/etcd-members.ts';

const works = (endpoint: string): MemberLook => ({ endpoint, status: null, trouble: null });
const dead = (endpoint: string): MemberLook => ({ endpoint, status: null, trouble: 'does not answer' });

describe('the members of etcd', () => {
  const servers: Server[] = [];
  after(() => {
    for (const server of servers) server.close();
  });
  async function member(status: number, answer: unknown): Promise<string> {
    const server = createServer((_, response) => response.writeHead(status).end(JSON.stringify(answer)));
    servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
  const header = { cluster_id: '1', member_id: '2' };

  it('are asked each by itself: one that is gone, that is alone, and that will not tell', async () => {
    const good = await member(200, { header, version: '3.4.23', leader: '2', dbSize: '1000' });
    const alone = await member(200, { header, version: '3.4.23' });
    const silent = await member(403, { code: 7, message: 'etcdserver: permission denied' });
    const gone = await member(200, {});
    const last = servers.pop();
    last?.close();
    const looks = await lookAtMembers({ endpoints: [good, alone, silent, gone] });
    const [first, second, third, fourth] = looks.map(({ trouble }) => trouble);
    assert.equal(first, null);
    assert.equal(second, 'sees no etcd leader');
    assert.equal(third, null, 'it answers, so it lives');
    assert.equal(fourth, 'does not answer');
    const facts = etcdFacts(looks).filter(({ level }) => level !== 'ok');
    assert.deepEqual(
      facts.map(({ name, code }) => [name, code]),
      [
        [`etcd ${alone}`, 'ETCD_MEMBER_DOWN'],
        [`etcd ${gone}`, 'ETCD_MEMBER_DOWN'],
        ['etcd majority', 'ETCD_NO_MAJORITY'],
      ],
    );
    for (const { detail } of facts.slice(0, 2)) assert.match(detail, /http:\/\/127\.0\.0\.1:\d+/);
  });

  const situations: [members: number, dead: number, code: string][] = [
    [3, 0, ''],
    [3, 1, 'ETCD_NO_SPARE'],
    [3, 2, 'ETCD_NO_MAJORITY'],
    [5, 1, ''],
    [5, 2, 'ETCD_NO_SPARE'],
    [5, 3, 'ETCD_NO_MAJORITY'],
    [2, 0, 'ETCD_NO_SPARE'],
    [1, 0, 'ETCD_NO_SPARE'],
    [1, 1, 'ETCD_NO_MAJORITY'],
  ];
  for (const [members, lost, code] of situations) {
    it(`${lost} of ${members} away: ${code || 'nothing to tell'}`, () => {
      const looks = Array.from({ length: members }, (_, index) =>
        index < lost ? dead(`http://e${index}`) : works(`http://e${index}`),
      );
      const facts = etcdFacts(looks);
      assert.equal(facts.at(-1)?.code, code);
      assert.equal(facts.length, lost + 1);
    });
  }
});
