import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { endsLeasesEarly } from '../../../../supervisor/doctor/etcd.ts';

describe('releases of etcd', () => {
  for (const version of ['2.3.8', '3.3.25', '3.4.23', '3.4.28', '3.5.0', '3.5.10']) {
    it(`${version} may end leases early`, () => assert.equal(endsLeasesEarly(version), true));
  }
  for (const version of ['3.4.29', '3.4.30', '3.5.11', '3.5.16', '3.6.0', '4.0.0']) {
    it(`${version} does not`, () => assert.equal(endsLeasesEarly(version), false));
  }
});
