import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { commandFacts, commandsNeeded } from '../../../../../supervisor/health/checks/commands.ts';

const vip = (family: 4 | 6) => ({
  address: { written: '', address: '', prefixLength: 24, family },
  interface: 'eth0',
});
const byCommand = { address: vip(4).address, command: '/etc/move', timeoutMs: 2000 };

describe('the commands that a leadership takes', () => {
  it('are those of its addresses', () => {
    assert.deepEqual(commandsNeeded({ vips: [vip(4)] }), ['ip', 'arping', 'setpriv']);
    assert.deepEqual(commandsNeeded({ vips: [vip(6)] }), ['ip', 'ndisc6', 'ndptool', 'setpriv']);
    assert.deepEqual(commandsNeeded({ vips: [byCommand] }), ['timeout', 'setpriv']);
  });

  it('are missed before they are needed', () => {
    const missing = 'no-such-command' as 'arping';
    const facts = commandFacts(['setpriv', missing]);
    assert.deepEqual(
      facts.map(({ level, code }) => [level, code]),
      [
        ['ok', ''],
        ['bad', 'COMMAND_MISSING'],
      ],
    );
  });
});
