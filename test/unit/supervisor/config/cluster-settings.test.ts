import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { clusterSettingNames, clusterSettingsOf } from '../../../../supervisor/config/cluster-settings.ts';
import { parseConfig } from '../../../../supervisor/config/load.ts';
import { clusterSettingsSchema, settingDifferences } from '../../../../supervisor/core/records/settings.ts';

const settingsOf = (vips: string, more = '') => {
  const { config, problems } = parseConfig(`cluster: c
node: { id: a }
etcd: { endpoints: ['http://10.0.0.1:2379'] }
vips: ${vips}
replication: { address: 10.0.0.11${more.startsWith(',') ? more : ''} }
${more.startsWith(',') ? '' : more}
`);
  return clusterSettingsOf(config ?? assert.fail(JSON.stringify(problems)));
};
const usual = '[{ address: 10.0.0.100/24, interface: eth0 }, { address: "FD77:0::100/64", interface: eth0 }]';
const changed = (vips: string, more = '') =>
  settingDifferences(settingsOf(vips, more), settingsOf(usual)).map(({ name, here }) => `${name} ${here}`);

describe('the settings that must be alike on every host', () => {
  it('are told by name and value, as etcd keeps them', () => {
    const settings = settingsOf(usual);
    assert.deepEqual(Object.keys(settings), clusterSettingNames);
    assert.deepEqual(clusterSettingsSchema.parse(settings), settings);
    assert.equal(settings.vips, '10.0.0.100, fd77::100');
  });

  it('are not what is a host’s own: interfaces, prefix lengths, the order and way of writing', () => {
    assert.deepEqual(
      changed('[{ address: "fd77::100", interface: bond0 }, { address: 10.0.0.100/16, interface: eth1 }]'),
      [],
    );
    assert.deepEqual(changed(usual, 'log: { level: debug }'), []);
  });

  for (const [more, expected] of [
    ['sftp: { port: 2022 }', 'sftp.port 2022'],
    ['sftp: { listen: 0.0.0.0 }', 'sftp.listen IPv4'],
    ['lease: { ttl: 6s }', 'lease.ttl 6000ms'],
    ['lease: { margin: 600ms }', 'lease.margin 600ms'],
    ['lease: { renewEvery: 400ms }', 'lease.renewEvery 400ms'],
    [', mode: async', 'replication.mode async'],
    [', strict: true', 'replication.strict true'],
  ] as const) {
    it(`are ${expected.split(' ')[0]} among others`, () => {
      assert.deepEqual(changed(usual, more), [expected]);
    });
  }

  it('are the addresses', () => {
    assert.deepEqual(changed('[{ address: 10.0.0.101/24, interface: eth0 }]'), ['vips 10.0.0.101']);
  });
});
