import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { it } from 'node:test';

it("has ssh2's native crypto addon loaded: without it everything works, several times slower", () => {
  const { bindingAvailable } = createRequire(import.meta.url)('ssh2/lib/protocol/crypto.js');
  assert.equal(bindingAvailable, true, 'run scripts/native-addons');
});
