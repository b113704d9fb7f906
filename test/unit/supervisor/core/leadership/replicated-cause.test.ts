import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isReplicated } from '../../../../../supervisor/core/leadership/replicated-cause.ts';

describe('what a promotion fails at', () => {
  it('is no fault of the host when every host has the same files', () => {
    const replicated = [
      ...['USERS_UNREADABLE', 'USERS_INVALID', 'CONFIG_UNREADABLE', 'CONFIG_TOO_LARGE'],
      ...['HOST_KEY_UNREADABLE', 'HOST_KEY_PERMISSIONS', 'HOST_KEY_INVALID'],
    ];
    for (const code of replicated) assert.ok(isReplicated({ code, sentence: '' }), code);
    for (const code of ['VIP_IN_USE', 'PORT_IN_USE', 'SFTP_NODE_EXITED']) {
      assert.equal(isReplicated({ code, sentence: '' }), false, code);
    }
    assert.equal(isReplicated(null), false);
  });
});
