import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { renderFindings } from '../../../../supervisor/cli/doctor-command.ts';
import { renderHistory } from '../../../../supervisor/cli/history-command.ts';
import { renderStatus } from '../../../../supervisor/cli/render-status.ts';
import { table } from '../../../../supervisor/cli/table.ts';
import { renderWhy } from '../../../../supervisor/cli/why-command.ts';
import { wrong } from '../../../../supervisor/doctor/finding.ts';
import { fact, hostOf, old, reason, statusOfA, statusOfB } from '../control/statuses.ts';

/** What only sentences may exceed: they are broken by the terminal, and are found by a search. */
function widestRow(text: string): number {
  return Math.max(...text.split('\n').map((line) => line.length));
}

describe('what people read', () => {
  it('is a table within 80 columns, also with long names and many reasons', () => {
    const replication = { state: 'catching-up', lagOperations: 0, lagBytes: 0 } as const;
    const behind = { state: 'streaming', lagOperations: 12_345, lagBytes: 123_456_789 } as const;
    const position = { epoch: 123_456, sequence: 1_234_567 };
    const ineligible = ['NOT_IN_SYNC', 'PROMOTIONS_FAILED', 'SFTP_NODE_STUCK'].map(reason);
    const text = renderStatus(
      statusOfA({
        hosts: [
          hostOf('sftp-berlin', { role: 'leader', position }),
          hostOf('sftp-paris', { replication, ineligible, health: [fact('X'), fact('Y')], position }),
          hostOf('sftp-rome', { replication: behind, position }),
        ],
      }),
    );
    const lines = text.split('\n');
    const head = lines.findIndex((line) => line.startsWith('Host'));
    const rows = lines.slice(head, lines.indexOf('', head));
    assert.equal(rows.length, 4, text);
    assert.ok(widestRow(rows.join('\n')) <= 80, rows.join('\n'));
    for (const code of ['NOT_IN_SYNC', 'PROMOTIONS_FAILED', 'SFTP_NODE_STUCK']) {
      assert.match(text, new RegExp(`^sftp-paris: ${code}: `, 'm'));
    }
  });

  it('says how far the resync of each host is, and how long it takes, as far as that is known', () => {
    const resync = { uncertainNames: 12, incompleteFiles: 3, missingBytes: 2_500_000_000 };
    const known = { ...resync, bytesPerSecond: 50_000_000, secondsLeft: 50 };
    assert.match(
      renderStatus(statusOfA({ hosts: [hostOf('a'), hostOf('b', { resync: known })] })),
      /^b: resync: 12 names to compare, with all below them, 2500 MB of 3 files to fetch or compare, at 50 MB\/s: 50 s left for what is known of$/m,
    );
    const unknown = { ...resync, uncertainNames: 0, bytesPerSecond: null, secondsLeft: null };
    assert.match(
      renderStatus(statusOfB({ hosts: [hostOf('b', { resync: unknown })] })),
      /^b: resync: 2500 MB of 3 files to fetch or compare$/m,
    );
    assert.doesNotMatch(renderStatus(statusOfB()), /resync/);
  });

  it('is a table whose last column goes on in the next line', () => {
    const words = Array.from({ length: 30 }, (_, index) => `word-${index}`);
    const text = table(
      ['A', 'B'],
      [
        ['a', words.join(' ')],
        ['b', 'short'],
      ],
    );
    assert.ok(widestRow(text) <= 80 && widestRow(text) > 60, text);
    for (const word of words) assert.ok(text.includes(word), word);
  });

  it('is a table that loses nothing that is longer than it should be', () => {
    const long = 'x'.repeat(90);
    assert.ok(table(['A', 'B'], [['a', long]]).includes(long));
    assert.ok(table(['A', 'B'], [[long, 'b']]).includes(long));
  });

  it('is a history within 80 columns, with who asked', () => {
    const text = renderHistory([
      {
        epoch: 123_456,
        node: 'berlin',
        at: '2026-11-26T03:00:00.123Z',
        from: { node: 'paris', epoch: 5 },
        cause: { code: 'SUPERVISOR_FROZEN', sentence: 'stood still' },
        requestedBy: 'alice on paris',
        operationId: null,
        phases: { replicatorMs: 1, sftpNodeMs: 2, vipMs: 3, announcedMs: 4, servingMs: 1234.4 },
        outageMs: 12_345,
        outageAtLeastMs: 9345,
      },
    ]);
    assert.ok(widestRow(text) <= 80, text);
    assert.match(text, /2026-11-26T03:00:00Z +123456 +berlin +paris +9345-12345 ms +SUPERVISOR_FROZEN/);
    assert.match(text, /123456: stood still \(up in 1234 ms, asked for by alice on paris\)/);
  });

  it('is not told as a fact when it is old: status', () => {
    const text = renderStatus(statusOfB({ view: old }));
    assert.match(text, /Who leads is not known: a led at epoch 200 12 s ago/);
    assert.match(text, /\*\*\* as of 12 s ago; etcd does not answer this host \*\*\*/);
    assert.match(text, /^a +was leader .* unknown$/m);
    assert.match(text, /^b +standby .* unknown$/m);
    assert.doesNotMatch(text, /a leads|yes$/m);
  });

  it('is not told as a fact when it is old: why', () => {
    const text = renderWhy(statusOfB({ view: old })).join('\n');
    assert.match(text, /as of 12 s ago/);
    assert.match(text, /^Whether c may lead is not known\.$/m);
    assert.doesNotMatch(text, /may go on leading|would take over|c may lead\./);
  });

  it('has what to do with each reason, and what is left to do by hand', () => {
    const hosts = [
      hostOf('a', { role: 'leader' }),
      hostOf('b', { ineligible: [reason('PROMOTIONS_FAILED')] }),
    ];
    const text = renderWhy(statusOfA({ hosts })).join('\n');
    assert.match(text, /b may not lead: PROMOTIONS_FAILED: .*\n {2}Mend what the promotions failed at/);
    assert.match(text, /WARNING: NO_SUCCESSOR: no host could take over from a/);
    assert.match(text, /next: `holdfast clear`: run it on b/);
    assert.match(renderStatus(statusOfA({ hosts })), /next: `holdfast clear`: run it on b/);
  });

  it('has what several hosts found once, with its code', () => {
    const health = [fact('ETCD_MEMBER_DOWN')];
    const text = renderStatus(statusOfA({ hosts: ['a', 'b'].map((node) => hostOf(node, { health })) }));
    assert.equal(text.split('ETCD_MEMBER_DOWN: the detail').length, 2);
    assert.match(text, /^a, b: fact ETCD_MEMBER_DOWN warn: ETCD_MEMBER_DOWN: the detail/m);
  });

  it('has advice with each finding', () => {
    const text = renderFindings([wrong('error', 'x', 'PORT_IN_USE', 'the port is taken')]);
    assert.equal(
      text,
      'ERROR    PORT_IN_USE: the port is taken\n         Stop the other program, or set another port in holdfast.yaml.',
    );
  });
});
