import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { FileRunState } from '../../../supervisor/adapters/process/run-state.ts';
import type { RunMemory } from '../../../supervisor/runtime/ports.ts';
import type { LabHost } from '../../lab/host.ts';
import { Lab } from '../../lab/lab.ts';

const releaseProgram = join(import.meta.dirname, '../../../dist/release.js');
const holdfastProgram = join(import.meta.dirname, '../../../dist/holdfast.js');

describe('the release of what a supervisor that died left behind', { timeout: 120_000 }, () => {
  let lab: Lab;
  let host: LabHost;
  let runFile: string;
  let holdfastYaml: string;
  let left: RunMemory;

  before(async () => {
    lab = await Lab.create();
    for (const member of lab.hosts) member.startEtcd();
    host = lab.host('a');
    runFile = join(host.runFolder, 'running.json');
    holdfastYaml = readFileSync(host.configFile, 'utf8');
    host.startSupervisor();
    await lab.waitForLeader([host]);
    await host.signalSupervisor('SIGKILL');
    left = new FileRunState(host.runFolder).recall();
  });
  after(() => lab.dispose());

  /** What the supervisor left, with a lease that does not end by itself meanwhile. */
  let leaseId: string;
  beforeEach(async () => {
    leaseId = String(BigInt(`0x${(await host.etcdctl('lease', 'grant', '600')).split(' ')[1]}`));
    writeFileSync(host.configFile, holdfastYaml);
    leave({});
    await host.network.ip('addr', 'replace', `${lab.vipV4}/24`, 'dev', 'eth0');
    await host.network.ip('addr', 'replace', `${lab.vipV6}/64`, 'dev', 'eth0', 'nodad');
  });

  function leave(part: Partial<RunMemory>): void {
    writeFileSync(runFile, JSON.stringify({ ...left, leaseId, ...part }), { mode: 0o600 });
  }

  async function leaseIsThere(): Promise<boolean> {
    return (await host.etcdctl('lease', 'list')).includes(BigInt(leaseId).toString(16));
  }

  async function vipsThatAreOn(): Promise<string[]> {
    return (await host.network.addresses()).filter((address) => [lab.vipV4, lab.vipV6].includes(address));
  }

  const release = (...prefix: string[]) =>
    host.exec('env', [...prefix, process.execPath, releaseProgram, host.runFolder, host.configFile]);

  async function assertAllEnded(): Promise<void> {
    assert.deepEqual(await vipsThatAreOn(), []);
    assert.equal(await leaseIsThere(), false);
    assert.equal(existsSync(runFile), false);
  }

  it('is told by the supervisor all that it needs', () => {
    assert.match(left.leaseId ?? '', /^\d+$/);
    assert.ok(left.sftpNode !== null);
    assert.equal(left.settings?.vips.length, 2);
    assert.equal(left.settings?.etcd.endpoints.length, 3);
  });

  it('does not need holdfast.yaml, which somebody may be editing', async () => {
    writeFileSync(host.configFile, 'vips: [');
    const { stdout } = await release();
    assert.equal(stdout, '');
    await assertAllEnded();
  });

  it('goes by holdfast.yaml when the run wrote no settings down, as an earlier Holdfast', async () => {
    leave({ settings: null });
    await release();
    await assertAllEnded();
  });

  it('goes by holdfast.yaml when nothing is written down', async () => {
    writeFileSync(runFile, '{');
    await release();
    assert.deepEqual(await vipsThatAreOn(), []);
  });

  it('goes by holdfast.yaml when the members written down are no more, and takes off what was on', async () => {
    const settings = left.settings ?? assert.fail();
    writeFileSync(host.configFile, holdfastYaml.replace(lab.vipV4, '10.77.0.101'));
    leave({ settings: { ...settings, etcd: { endpoints: ['http://127.0.0.1:1'] } } });
    const { stdout } = await release();
    assert.match(stdout, /released by holdfast\.yaml instead/);
    await assertAllEnded();
  });

  it('keeps the lease while an address is on, and says so', async () => {
    await assert.rejects(release('setpriv', '--bounding-set=-net_admin'), (error: Error) => {
      assert.match(error.message, new RegExp(`${lab.vipV4} is still on eth0 after removal: .*not permitted`));
      return true;
    });
    assert.deepEqual(await vipsThatAreOn(), [lab.vipV4, lab.vipV6]);
    assert.equal(await leaseIsThere(), true);
    assert.equal(existsSync(runFile), true);
  });

  it('is a command for people as well', async () => {
    await host.exec(process.execPath, [holdfastProgram, 'release', '--config', host.configFile]);
    await assertAllEnded();
    // And is content when there is nothing to do.
    await host.exec(process.execPath, [holdfastProgram, 'release', '--config', host.configFile]);
  });

  describe('while a supervisor lives', () => {
    let supervisor: number;
    let leaseId: string;
    before(async () => {
      host.startSupervisor();
      await lab.waitForLeader([host]);
      supervisor = (await host.status()).processes.supervisor;
      leaseId = new FileRunState(host.runFolder).recall().leaseId ?? assert.fail();
    });

    async function assertServes(): Promise<void> {
      assert.deepEqual(await vipsThatAreOn(), [lab.vipV4, lab.vipV6]);
      assert.equal((await host.etcdctl('lease', 'list')).includes(BigInt(leaseId).toString(16)), true);
      const status = await host.status();
      assert.deepEqual([status.phase, status.processes.supervisor], ['leading', supervisor]);
    }

    it('is refused, as a command and as systemd runs it, and ends nothing', async () => {
      const named = new RegExp(`SUPERVISOR_RUNNING: process ${supervisor} has the run folder`);
      await assert.rejects(release(), (error: Error) => named.test(error.message));
      const { exitCode, text } = await host.holdfast('release');
      assert.equal(exitCode, 1);
      assert.match(text, named);
      await assertServes();
    });

    it('keeps a second supervisor out, which takes nothing from the first', async () => {
      const { exitCode, text } = await host.holdfast('supervisor');
      assert.equal(exitCode, 1);
      assert.match(text, new RegExp(`SUPERVISOR_RUNNING: process ${supervisor} `));
      await assertServes();
    });

    it('is done when the supervisor was stopped and then killed, as by the watchdog of systemd', async () => {
      await host.signalSupervisor('SIGSTOP');
      await host.signalSupervisor('SIGKILL');
      await host.release();
      assert.deepEqual(await vipsThatAreOn(), []);
      assert.equal(existsSync(runFile), false);
    });
  });
});
