import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Status } from '../../../supervisor/control/status.ts';
import { LabClient } from '../../lab/client.ts';
import { Lab } from '../../lab/lab.ts';

/** Longer than a health check that asks at the door takes to call the SFTP node stuck. */
const crowdMs = 8000;

/** Keeps so many connections, and opens new ones for those that are dropped. */
const crowd = (count: number, host: string, port: number) => `
  const { connect } = require('node:net');
  const come = () => connect(${port}, '${host}').on('error', () => {}).on('close', () => setTimeout(come, 200));
  for (let one = 0; one < ${count}; one++) come();
`;

const streams = ({ hosts }: Status, name: string) =>
  hosts.some(({ node, replication }) => node === name && replication?.state === 'streaming');

describe('a crowd that says nothing', { timeout: 120_000 }, () => {
  it('moves no leadership, and keeps nobody out who comes from elsewhere', async () => {
    await using lab = await Lab.create();
    const leader = await lab.start();
    const { epoch, processes } = await leader.status();
    const standby = lab.others(leader)[0] ?? assert.fail();
    const peerPort = 7420;
    const clients = [
      [lab.vipV4, lab.sftpPort],
      [leader.network.ipv4, peerPort],
    ] as const;
    const crowds = clients.map(([host, port]) =>
      lab.client.network.spawn(join(lab.folder, 'crowd.log'), [
        process.execPath,
        '-e',
        crowd(260, host, port),
      ]),
    );
    try {
      await delay(crowdMs);
      const elsewhere = new LabClient(standby.network, lab.client.folder, lab.sftpPort);
      assert.match(await elsewhere.sftp(lab.vipV4, 'put /etc/hostname in-the-crowd\nls\n'), /in-the-crowd/);
      const status = await leader.status();
      assert.equal(status.epoch, epoch);
      assert.equal(status.processes.sftpNode, processes.sftpNode);
      assert.ok(status.activity.dropped > 250, `${status.activity.dropped} dropped`);
      // A standby whose replicator starts anew finds a place at the leader's port.
      process.kill((await standby.status()).processes.replicator ?? assert.fail(), 'SIGKILL');
      await lab.wait('it to be away', async () => !streams(await leader.status(), standby.name));
      await lab.wait('it to follow again', async () => streams(await leader.status(), standby.name));
    } finally {
      const ended = crowds.map((one) => {
        one.kill('SIGKILL');
        return one;
      });
      await Promise.all(ended);
    }
  });
});
