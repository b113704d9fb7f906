import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { CertificateAuthority } from '../../lab/certificates.ts';
import type { LabHost } from '../../lab/host.ts';
import { Lab } from '../../lab/lab.ts';

/** Longer than a lease of 3 s. */
const leaseIsOverMs = 4000;

describe('etcd members that want certificates', { timeout: 240_000 }, () => {
  let lab: Lab;
  before(async () => {
    lab = await Lab.create({ etcdByTls: true });
    await lab.start();
  });
  after(() => lab.dispose());

  const logged = (host: LabHost, code: string) => host.logLines().some((line) => line.code === code);

  it('serve a cluster: it moves by hand, and after a crash with its release', async () => {
    await lab.client.sftp(lab.vipV4, 'put /etc/hostname kept\n');
    const leader = await lab.waitForService();
    const moved = await leader.holdfast('switchover', '--yes');
    assert.equal(moved.exitCode, 0, moved.text);
    const successor = await lab.waitForService();
    const held = successor.logLines().findLast(({ leaseId }) => leaseId !== undefined)?.leaseId;
    const lease = BigInt(String(held)).toString(16);
    assert.ok((await leases(successor)).includes(lease));
    await successor.signalSupervisor('SIGKILL');
    await successor.release();
    assert.ok(!(await leases(successor)).includes(lease), 'the release has revoked it');
    await lab.waitForLeader(lab.others(successor));
    successor.startSupervisor();
    await lab.waitForService();
    await lab.client.sftp(lab.vipV4, 'get kept back\n');
  });

  it('are looked at by a doctor: each member, the certificates, the secrets', async () => {
    const leader = await lab.waitForService();
    const { exitCode, text } = await leader.holdfast('doctor');
    assert.equal(exitCode, 0, text);
    assert.match(text, /^ok {7}supervisor: leading/m);
    // The authority of the lab lasts for thirty days.
    assert.match(text, /^WARNING {2}CERTIFICATE_ENDS: .*ca\.crt ends in 29 day\(s\)/m);
    const [standby] = lab.others(leader);
    await standby?.stopEtcd();
    chmodSync(leader.certificate.key, 0o644);
    // At first the members that are left may have to elect a leader: that is worse than a member away.
    const broken = await lab.wait('etcd to have a leader, and a member away', async () => {
      const found = await leader.holdfast('doctor', '--json');
      return /"level": "warning",[^}]*"ETCD_UNREACHABLE"/.test(found.text) ? found : null;
    });
    assert.equal(broken.exitCode, 1, broken.text);
    for (const { network } of lab.hosts) assert.ok(broken.text.includes(`etcd https://${network.ipv4}:2379`));
    assert.match(broken.text, /"level": "error",[^}]*"SECRET_READABLE"/);
    chmodSync(leader.certificate.key, 0o600);
    standby?.startEtcd();
    await lab.waitForService();
  });

  async function leases(host: LabHost): Promise<string> {
    return host.etcdctl('lease', 'list');
  }

  it('may have their certificates and ours renewed on disk: nothing moves', async () => {
    const leader = await lab.waitForService();
    const { epoch } = await leader.status();
    // Those in use end soon; the members are started again, so that every connection is new.
    for (const host of lab.hosts) {
      await host.renewCertificates(20);
      await connectedAnew(host);
    }
    for (const host of lab.hosts) {
      await host.stopEtcd('SIGTERM');
      host.startEtcd();
      await delay(1500);
    }
    for (const host of lab.hosts) {
      await host.renewCertificates();
      await connectedAnew(host);
    }
    await delay(20_000);
    for (const host of lab.hosts) {
      await host.stopEtcd('SIGTERM');
      host.startEtcd();
      await delay(1500);
    }
    const status = await leader.status();
    assert.deepEqual([status.phase, status.epoch], ['leading', epoch]);
    await lab.client.sftp(lab.vipV4, 'put /etc/hostname renewed\n');
  });

  /** Waits until it says so once more than before. */
  async function connectedAnew(host: LabHost): Promise<void> {
    const count = () => host.log().split('the certificates for etcd were renewed').length;
    const before = count();
    await lab.wait(`${host.name} to use its new certificate`, async () => count() > before);
  }

  it('are told from files that are no good, and what was there stays in use', async () => {
    const leader = await lab.waitForService();
    const { epoch } = await leader.status();
    const { cert } = leader.certificate;
    copyFileSync(cert, `${cert}.good`);
    writeFileSync(cert, 'half a certificate');
    await lab.wait('the complaint', async () => logged(leader, 'ETCD_TLS_UNUSABLE'));
    await delay(leaseIsOverMs);
    const status = await leader.status();
    assert.deepEqual([status.phase, status.epoch], ['leading', epoch]);
    copyFileSync(`${cert}.good`, cert);
    await lab.waitForService();
  });

  it('refuse a certificate that has ended, which is named, and take the next one', async () => {
    const leader = await lab.waitForService();
    const [standby] = lab.others(leader);
    assert.ok(standby);
    await standby.renewCertificates(-60);
    await lab.wait('the standby to name it', async () =>
      standby
        .logLines()
        .some(({ msg }) =>
          new RegExp(`the certificate ${standby.certificate.cert} ended `).test(String(msg)),
        ),
    );
    assert.equal(standby.supervisorIsRunning, true);
    const doctor = await standby.holdfast('doctor');
    assert.equal(doctor.exitCode, 1);
    assert.match(doctor.text, /^ERROR {4}CERTIFICATE_ENDED: /m);
    await standby.renewCertificates();
    await lab.waitForService();
  });

  it('refuse a certificate of somebody else', async () => {
    const leader = await lab.waitForService();
    const [standby] = lab.others(leader);
    assert.ok(standby);
    const stranger = await CertificateAuthority.create(lab.folder, 'stranger');
    const { cert, key } = await stranger.issue('other', standby.network.ipv4);
    copyFileSync(key, standby.certificate.key);
    copyFileSync(cert, standby.certificate.cert);
    await lab.wait('the standby to be away', async () => {
      const { hosts } = await leader.status();
      return hosts.find(({ node }) => node === standby.name)?.role === 'away';
    });
    assert.ok(logged(standby, 'ETCD_UNREACHABLE'));
    await standby.renewCertificates();
    await lab.waitForService();
  });
});
