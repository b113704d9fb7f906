import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { StuckCommands } from '../../../../../supervisor/adapters/process/stuck-commands.ts';

describe('commands that were killed and do not end', () => {
  it('keep more of the same from being started, and none of another, until one has ended', async () => {
    const commands = new StuckCommands();
    const end = Promise.withResolvers<void>();
    for (let count = 0; count < 4; count++) {
      commands.refuseMore('ip');
      commands.add('ip', count === 0 ? end.promise : new Promise(() => {}));
    }
    assert.throws(() => commands.refuseMore('ip'), { code: 'COMMAND_STUCK' });
    commands.refuseMore('arping');
    end.resolve();
    await end.promise;
    commands.refuseMore('ip');
  });
});
