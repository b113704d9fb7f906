import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, it } from 'node:test';
import { memberStatus } from '../../../../../supervisor/adapters/etcd/member-status.ts';
import type { Config } from '../../../../../supervisor/config/schema.ts';
import { examineEtcd } from '../../../../../supervisor/doctor/etcd.ts';
import { etcdFacts, lookAtMembers } from '../../../../../supervisor/health/checks/etcd-members.ts';

const denied = { error: 'etcdserver: permission denied', code: 7 };

describe('a member of etcd that does not tell its state', () => {
  const servers: Server[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) server.close();
  });

  async function member(status: number, body: object): Promise<string> {
    const server = createServer((_, response) => {
      response.writeHead(status, { connection: 'close' }).end(JSON.stringify(body));
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  it('is said to do so, and is not taken for a healthy one', async () => {
    const url = await member(403, denied);
    await assert.rejects(memberStatus({ endpoints: [url] }, url), { code: 'ETCD_STATUS_FORBIDDEN' });
    const facts = etcdFacts(await lookAtMembers({ endpoints: [url] }));
    const fact = facts.find(({ name }) => name === `etcd ${url}`);
    assert.deepEqual([fact?.level, fact?.code], ['warn', 'ETCD_STATUS_FORBIDDEN']);
    assert.match(fact?.detail ?? '', /answers, but does not tell its state/);
  });

  it('is not taken for a dead one by doctor', async () => {
    const url = await member(403, denied);
    const [finding] = await examineEtcd({ etcd: { endpoints: [url] } } as Config);
    assert.deepEqual([finding?.level, finding?.code], ['warning', 'ETCD_STATUS_FORBIDDEN']);
    assert.match(finding?.advice ?? '', /grant-role/);
  });

  it('tells what else it refuses', async () => {
    const url = await member(400, { error: 'etcdserver: user name is empty', code: 3 });
    await assert.rejects(memberStatus({ endpoints: [url] }, url), { code: 'ETCD_AUTH_FAILED' });
    const [finding] = await examineEtcd({ etcd: { endpoints: [url] } } as Config);
    assert.deepEqual([finding?.level, finding?.code], ['error', 'ETCD_AUTH_FAILED']);
  });

  it('says nothing where the lease tells that it is away', async () => {
    const url = await member(503, {});
    const [look] = await lookAtMembers({ endpoints: [url] });
    assert.deepEqual([look?.refusal, look?.status], [null, null]);
    const [finding] = await examineEtcd({ etcd: { endpoints: [url] } } as Config);
    assert.deepEqual([finding?.level, finding?.code], ['error', 'ETCD_UNREACHABLE']);
  });
});
