import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatProblem, parseConfig } from '../../../../supervisor/config/load.ts';

const valid = `cluster: demo
node: { id: a }
etcd: { endpoints: [http://10.0.0.11:2379] }
vips:
  - { address: 10.0.0.100/24, interface: eth0 }
  - { address: "fd77::100/64", interface: eth0 }
replication: { address: 10.0.0.11 }
`;

function problems(text: string): string[] {
  return parseConfig(text).problems.map((problem) => formatProblem('f', problem));
}

describe('holdfast.yaml', () => {
  it('needs little: the rest has defaults', () => {
    const { config } = parseConfig(valid);
    assert.equal(config?.lease.ttl, 3000);
    assert.equal(config?.replication.mode, 'sync');
    assert.deepEqual(config?.vips[1]?.address, {
      written: 'fd77::100/64',
      address: 'fd77::100',
      prefixLength: 64,
      family: 6,
    });
  });

  it('shares out places before login, and sends no SSH pings, unless told otherwise', () => {
    const sftpOf = (text: string) => parseConfig(`${valid}${text}`).config?.sftp;
    const { maxStartups, perSourceMaxStartups, clientAliveInterval } = sftpOf('') ?? {};
    assert.deepEqual(maxStartups, { begin: 100, ratePercent: 30, full: 200 });
    assert.equal(perSourceMaxStartups, 10);
    assert.equal(clientAliveInterval, 0);
    assert.deepEqual(sftpOf('sftp: { maxStartups: "10:30:60" }\n')?.maxStartups, {
      begin: 10,
      ratePercent: 30,
      full: 60,
    });
    for (const wrong of ['60:30:10', '10:0:60', '10:30:2000', '10', 'many']) {
      assert.equal(problems(`${valid}sftp: { maxStartups: "${wrong}" }\n`).length, 1, wrong);
    }
  });

  it('bounds the quarantine by a share of the file system, or by a size, and by age', () => {
    const of = (text: string) =>
      parseConfig(valid.replace('10.0.0.11 }\n', `10.0.0.11, quarantine: { ${text} } }\n`));
    assert.deepEqual(of('').config?.replication.quarantine, {
      maxBytes: { share: 0.1 },
      maxAge: 90 * 86_400_000,
    });
    const set = of('maxBytes: 20GiB, maxAge: 30d').config?.replication.quarantine;
    assert.deepEqual(set, { maxBytes: { bytes: 20 * 2 ** 30 }, maxAge: 30 * 86_400_000 });
    for (const wrong of ['0%', '101%', '20GB', '20', '0GiB', '1.5GiB']) {
      assert.equal(of(`maxBytes: ${wrong}`).problems.length, 1, wrong);
    }
    for (const wrong of ['1h', '23h', '4000d', 'never']) {
      assert.equal(of(`maxAge: ${wrong}`).problems.length, 1, wrong);
    }
  });

  it('names an unknown setting by line and suggests the known one', () => {
    assert.deepEqual(problems(valid.replace('cluster: demo', 'cluster: demo\nlaese: { ttl: 3s }')), [
      'f:2:1  laese is not a setting; did you mean "lease"?',
    ]);
  });

  it('tells everything that is wrong, in the order of the file', () => {
    const text = valid
      .replace('10.0.0.100/24', '10.0.0.300/24')
      .replace('node: { id: a }', 'node: { id: A! }\nlease: { renewEvery: 2s }')
      .replace('replication: { address: 10.0.0.11 }', 'replication: { address: here, mode: fast }');
    assert.deepEqual(
      parseConfig(text).problems.map(({ line, path }) => `${line} ${path}`),
      [
        '2 node.id',
        '3 lease.renewEvery',
        '3 lease.renewEvery',
        '6 vips[0].address',
        '8 replication.address',
        '8 replication.mode',
      ],
    );
  });

  it('says what to write where something is missing', () => {
    assert.deepEqual(problems(valid.replace('node: { id: a }', 'node: {}')), [
      'f:2:1  node.id is missing; write for example: id: host-a',
    ]);
  });

  it('takes no empty file, no list, no broken YAML, no anchors without end', () => {
    assert.match(problems('').join('\n'), /cluster is missing/);
    assert.match(problems('- a\n').join('\n'), /the file is not a section of settings/);
    assert.match(problems('cluster: [').join('\n'), /the file is not YAML/);
    assert.match(problems('a: 1\na: 2\n').join('\n'), /the file is not YAML.*unique/s);
  });

  it('takes no virtual IP twice, and none for the address of the replicator', () => {
    const twice = valid.replace('"fd77::100/64"', '10.0.0.100/24');
    assert.match(problems(twice).join('\n'), /f:6:7 {2}vips\[1\].address 10.0.0.100 stands twice/);
    const same = valid.replace('replication: { address: 10.0.0.11 }', 'replication: { address: 10.0.0.100 }');
    assert.match(problems(same).join('\n'), /replication.address is the virtual IP/);
  });

  it('wants certificate and key together, and a CA for https', () => {
    const https = valid.replace('http://', 'https://');
    assert.match(problems(https).join('\n'), /etcd.tls is missing, but an endpoint is https/);
    const half = https.replace('2379] }', '2379], tls: { ca: /ca, cert: /c } }');
    assert.match(problems(half).join('\n'), /only one of cert and key/);
  });
});

describe('lease timing', () => {
  const withLease = (lease: string) => problems(`${valid}lease: ${lease}\n`).join('\n');

  it('accepts what leaves room for two failed renewals', () => {
    assert.equal(withLease('{ ttl: 5s, renewEvery: 1s, margin: 1s }'), '');
    assert.equal(withLease('{ ttl: 3s, renewEvery: 600ms, margin: 500ms }'), '');
  });

  it('refuses what could outlive the lease or falls at the first hiccup', () => {
    assert.match(withLease('{ ttl: 2s }'), /lease.ttl must be whole seconds from 3s/);
    assert.match(withLease('{ ttl: 3500ms }'), /lease.ttl must be whole seconds/);
    assert.match(withLease('{ margin: 100ms }'), /lease.margin must be at least 300ms/);
    assert.match(withLease('{ renewEvery: 900ms }'), /lease.renewEvery must be at most 833ms/);
    assert.match(withLease('{ ttl: 3 }'), /lease.ttl is not a text; write for example: ttl: 3s/);
  });
});
