import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { memoryOf } from '../../../../../supervisor/adapters/process/run-memory.ts';
import { FileRunState } from '../../../../../supervisor/adapters/process/run-state.ts';
import type { RunMemory, RunSettings } from '../../../../../supervisor/runtime/ports.ts';

const settings: RunSettings = {
  node: 'host-a',
  vips: [
    { address: '10.0.0.100', prefixLength: 24, interface: 'eth0' },
    { address: 'fd77::100', prefixLength: 64, interface: 'bond0.7' },
  ],
  watchdog: null,
  etcd: {
    endpoints: ['https://10.0.0.11:2379', 'https://etcd.example:2379'],
    tls: { ca: '/etc/ca.crt', cert: '/etc/c.crt', key: '/etc/c.key' },
  },
};
const memory: RunMemory = {
  leaseId: '-7587899106855087176',
  sftpNode: { pid: 77, startTicks: '123' },
  settings,
};

/** The memory as it comes out of a file, with one field somewhere in it changed. */
function changed(path: string, value: unknown): unknown {
  const copy = structuredClone(memory);
  const names = path.split('.');
  const last = names.pop() ?? assert.fail();
  const holder = names.reduce<Record<string, unknown>>(
    (part, name) => part[name] as Record<string, unknown>,
    copy as unknown as Record<string, unknown>,
  );
  holder[last] = value;
  return JSON.parse(JSON.stringify(copy));
}

describe('what a run wrote down about itself', () => {
  it('is read as it was written, by its owner alone', () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-test-'));
    try {
      const { leaseId, sftpNode } = memory;
      const writer = new FileRunState(folder, settings);
      writer.remember({ leaseId });
      writer.remember({ sftpNode });
      assert.deepEqual(new FileRunState(folder).recall(), memory);
      assert.equal(statSync(join(folder, 'running.json')).mode & 0o777, 0o600);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('may be without settings: an earlier Holdfast wrote none', () => {
    const { settings: _, ...earlier } = memory;
    assert.deepEqual(memoryOf(earlier), { ...earlier, settings: null });
  });

  it('may be without TLS, or without a client certificate', () => {
    for (const tls of [undefined, { ca: '/etc/ca.crt' }]) {
      const value = changed('settings.etcd.tls', tls);
      assert.deepEqual(memoryOf(value), value);
    }
  });

  for (const [path, value] of [
    ['leaseId', 'rm -rf'],
    ['leaseId', 7],
    ['sftpNode', {}],
    ['sftpNode.pid', 0],
    ['sftpNode.pid', -1],
    ['sftpNode.startTicks', 5],
    ['settings', []],
    ['settings.node', 'a\n'],
    ['settings.vips', []],
    ['settings.vips', {}],
    ['settings.vips.0', null],
    ['settings.vips.0.address', '10.0.0.1/24 dev lo\naddr add 10.0.0.2'],
    ['settings.vips.0.address', 'fe80::1%eth0'],
    ['settings.vips.0.prefixLength', 33],
    ['settings.vips.1.prefixLength', '64'],
    ['settings.vips.1.interface', 'eth0\naddr flush dev eth1'],
    ['settings.vips.1.interface', 'eth0 '],
    ['settings.etcd', null],
    ['settings.etcd.endpoints', ['file:///etc/passwd']],
    ['settings.etcd.endpoints', ['http://']],
    ['settings.etcd.endpoints', new Array(17).fill('http://10.0.0.1:2379')],
    ['settings.etcd.tls', { cert: '/etc/c.crt' }],
    ['settings.etcd.tls.key', 'relative.key'],
  ] as const) {
    it(`is nothing with ${path} ${JSON.stringify(value)}`, () => {
      assert.equal(memoryOf(changed(path, value)), null);
    });
  }
});
