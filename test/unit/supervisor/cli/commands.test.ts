import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { execa } from 'execa';
import { exitCodes } from '../../../../supervisor/cli/exit-codes.ts';
import { plannedCommands } from '../../../../supervisor/cli/grammar.ts';
import { nearMiss } from '../../../../supervisor/cli/known-host.ts';
import { allCommands, fullName, program } from '../../../../supervisor/cli/program.ts';
import { renderDetail, renderList } from '../../../../supervisor/cli/render-quarantine.ts';
import { controlSocket } from '../../../../supervisor/control/server.ts';
import type { OperationRecord } from '../../../../supervisor/core/records/operation.ts';
import { old, statusOfA, statusOfB } from '../control/statuses.ts';
import { type Ended, runHere } from './run-here.ts';

const main = join(import.meta.dirname, '../../../../supervisor/cli/main.ts');

const operation: OperationRecord = {
  ...{ id: '0badcafe', kind: 'switchover', from: 'a', to: 'b', force: false, drainMs: 0, drill: false },
  ...{
    requestedBy: 'x on a',
    requestedAt: '2026-11-26T03:00:00.000Z',
    at: null,
    state: 'running',
    epoch: 200,
  },
  ...{ step: 'draining', steps: [], cancelledBy: null, outcome: null, supersedes: null },
};
const ended = (state: 'done' | 'failed' | 'cancelled') => ({
  ...operation,
  state,
  outcome: { code: 'HANDED_OVER', sentence: '' },
});
const quarantine = 'POST /v1/replication/quarantine';
const summary = {
  ...{ entries: 0, bytes: 0, oldestAt: null, newestAt: null, isComplete: true },
  ...{ maxBytes: 5e10, maxAgeMs: 90 * 86_400_000 },
};
const aside = {
  ...{ id: '0badcafe0123', at: '2026-11-26T03:15:02.123Z', epoch: 7, leader: 'b', reason: 'only-here' },
  ...{ type: 'file', path: 'a/b', bytes: 12, files: 1, acknowledged: null },
};
const atRisk = 'GET /v1/replication/at-risk';
const nothingAtRisk = {
  ...{ leader: 'a', inSync: ['a'], told: { by: 'a', at: '2026-11-26T03:15:02.123Z', ageMs: 0 } },
  ...{ isLive: true, hosts: [], takenOverWithout: null },
};
const nothingAside = { kind: 'list', entries: [], next: null, summary };
const onePage = {
  ...{ kind: 'list', entries: [aside], next: null },
  summary: { ...summary, entries: 1, bytes: 8192, oldestAt: aside.at, newestAt: aside.at },
};
const detail = {
  kind: 'show',
  entry: {
    ...{ ...aside, pathBase64: 'YS9i', place: 'aside-7/000001-b', mode: 0o640, modifiedAt: aside.at },
    ...{ content: [], isWhole: true, inService: null },
  },
};
const toDiscard = { kind: 'discard', entries: 2, bytes: 8192, upTo: '1/x', more: false };
const plan = { from: 'a', to: 'b', candidates: [], refusal: null };
const notInSync = { code: 'NOT_IN_SYNC', sentence: 'it is not in sync' };
const riskyPlan = { ...plan, candidates: [{ node: 'b', reasons: [notInSync] }] };

type Answers = Record<string, object>;
const leads = { 'GET /v1/status': statusOfA() };

describe('commands', () => {
  let folder: string;
  let server: Server;
  /** What the supervisor answers: of a `Refusal` the body, with 409. */
  let answers: Answers = {};
  /** What it was asked. */
  const bodies: Record<string, unknown>[] = [];
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-commands-'));
    mkdirSync(join(folder, 'run'));
    const paths = ['config', 'data', 'state', 'run']
      .map((name) => `${name}: ${join(folder, name)}`)
      .join(', ');
    writeFileSync(
      join(folder, 'holdfast.yaml'),
      `cluster: lab\nnode: { id: a }\netcd: { endpoints: ["http://127.0.0.1:1"] }
vips: [{ address: 10.0.0.100/24, interface: lo }]\nreplication: { address: 127.0.0.1 }\npaths: { ${paths} }\n`,
    );
    server = createServer(async (request, response) => {
      const body = await text(request);
      if (body !== '') bodies.push(JSON.parse(body));
      const answer = answers[`${request.method} ${request.url}`] ?? {
        code: 'INTERNAL',
        message: 'not asked for',
      };
      const status = 'code' in answer ? 409 : 200;
      response.writeHead(status).end(JSON.stringify(answer));
    });
    server.listen(controlSocket(join(folder, 'run')));
    await once(server, 'listening');
  });
  after(() => {
    server.close();
    server.closeAllConnections();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Commands that have no configuration of a host. */
  const without = ['password', 'fsm', 'histry', 'config'];

  function run(args: readonly string[], told: Answers = {}): Promise<Ended> {
    answers = told;
    const isOurs = !without.includes(args[0] ?? '') && !(args[0] === 'operation' && args.length < 3);
    return runHere(isOurs ? [...args, '--config', join(folder, 'holdfast.yaml')] : args);
  }

  const refusal = (code: string) => ({ code, message: `the sentence of ${code}` });
  const rows: [args: string, told: Answers, exit: keyof typeof exitCodes, says: RegExp][] = [
    ['status', leads, 'done', /"verdict": "led"/],
    ['status', { 'GET /v1/status': statusOfB({ leader: null }) }, 'leaderless', /"verdict": "leaderless"/],
    ['status', { 'GET /v1/status': statusOfB({ view: old }) }, 'unknown', /"ageMs": 12000/],
    ['why', { 'GET /v1/status': statusOfB({ leader: null }) }, 'leaderless', /Nobody leads/],
    ['why', { 'GET /v1/status': statusOfB({ view: old }) }, 'unknown', /as of 12 s ago/],
    ['why d', leads, 'usage', /TARGET_UNKNOWN.*\n.*no host d/],
    ['doctor', leads, 'failed', /"ETCD_UNREACHABLE"/],
    ['switchover --dry-run', { ...leads, 'POST /v1/operations': plan }, 'done', /"refusal": null/],
    [
      'switchover --dry-run',
      { ...leads, 'POST /v1/operations': { ...plan, refusal: { code: 'NO_CANDIDATE', sentence: 'x' } } },
      'refused',
      /NO_CANDIDATE/,
    ],
    ['switchover --to bb --yes', leads, 'usage', /TARGET_UNKNOWN.*\n.*did you mean b\?/],
    [
      'switchover --yes',
      { ...leads, 'POST /v1/operations': refusal('ALREADY_LEADING') },
      'refused',
      /ALREADY/,
    ],
    ['switchover', { ...leads, 'POST /v1/operations': plan }, 'usage', /give --yes/],
    ['resume', { 'POST /v1/resume': refusal('NOT_PAUSED') }, 'refused', /"advice": "Nothing to do/],
    ['resume', { 'POST /v1/resume': {} }, 'done', /"paused": null/],
    ['pause', { 'POST /v1/pause': refusal('ETCD_UNREACHABLE') }, 'unknown', /ETCD_UNREACHABLE/],
    ['operation show', leads, 'refused', /NO_OPERATION/],
    ['operation show', { 'GET /v1/status': statusOfA({ operation: ended('failed') }) }, 'done', /"failed"/],
    [
      'operation show --watch',
      { 'GET /v1/status': statusOfA({ operation: ended('failed') }) },
      'operationFailed',
      /"failed"/,
    ],
    [
      'operation cancel',
      { 'POST /v1/operations/cancel': operation, 'GET /v1/status': statusOfA({ operation: ended('done') }) },
      'operationDoneAllTheSame',
      /"done"/,
    ],
    [
      'operation cancel',
      {
        'POST /v1/operations/cancel': operation,
        'GET /v1/status': statusOfA({ operation: ended('cancelled') }),
      },
      'done',
      /"cancelled"/,
    ],
    ['history -n x', {}, 'usage', /not a whole number/],
    ['history -n 0', {}, 'usage', /not a whole number/],
    ['history', { 'GET /v1/history': [] }, 'done', /^\[\]\n$/],
    ['switchover --drain abc', {}, 'usage', /not a duration/],
    ['failover --to A_B', {}, 'usage', /not the name of a host/],
    ['histry', {}, 'usage', /Did you mean history/],
    ['fsm', {}, 'done', /"standby"/],
    ['config check /nowhere/holdfast.yaml', {}, 'configuration', /CONFIG_UNREADABLE/],
    ['replication at-risk', { [atRisk]: nothingAtRisk }, 'done', /"hosts": \[\]/],
    ['replication at-risk', { [atRisk]: refusal('REPLICATOR_SILENT') }, 'refused', /SILENT/],
    [
      'failover --to b --force --dry-run',
      {
        'GET /v1/status': statusOfB({ leader: null }),
        'POST /v1/operations': riskyPlan,
        [atRisk]: nothingAtRisk,
      },
      'done',
      /"atRisk": \{\n.*"leader": "a"/,
    ],
    ['replication quarantine list', { ...leads, [quarantine]: nothingAside }, 'done', /"entries": \[\]/],
    ['replication quarantine list -n 3', { ...leads, [quarantine]: onePage }, 'done', /"path": "a\/b"/],
    ['replication quarantine show 0bad', { [quarantine]: detail }, 'done', /"pathBase64": "YS9i"/],
    ['replication quarantine show a:0bad', { [quarantine]: detail }, 'done', /"place"/],
    ['replication quarantine show b:0bad', {}, 'usage', /QUARANTINE_ELSEWHERE/],
    ['replication quarantine show ../../x', {}, 'usage', /is not an id/],
    ['replication quarantine show 0ba', {}, 'usage', /is not an id/],
    ['replication quarantine show 0bad', { [quarantine]: refusal('QUARANTINE_UNKNOWN') }, 'usage', /UNKNOWN/],
    ['replication quarantine show 0bad', { [quarantine]: refusal('REPLICATOR_DOWN') }, 'refused', /DOWN/],
    ['replication quarantine restore 0bad', {}, 'usage', /--into/],
    [
      'replication quarantine restore 0bad --into /nowhere/x',
      { [quarantine]: detail },
      'failed',
      /RESTORE_FAILED/,
    ],
    ['replication quarantine discard', {}, 'usage', /one of the three/],
    ['replication quarantine discard 0bad --all', {}, 'usage', /one of the three/],
    ['replication quarantine discard --older-than 3x', {}, 'usage', /not a duration/],
    ['replication quarantine discard --all --dry-run', { [quarantine]: toDiscard }, 'done', /"entries": 2/],
    ['replication quarantine discard --all', { [quarantine]: toDiscard }, 'usage', /give --yes-lose-data/],
    [
      'replication quarantine discard --older-than 30d --yes-lose-data',
      { [quarantine]: toDiscard },
      'done',
      /"dryRun": false/,
    ],
    ['clear', { 'POST /v1/clear': {} }, 'done', /"cleared": "a"/],
  ];
  for (const [args, told, exit, says] of rows) {
    it(`${args} --json: ${exit}, as a document, of ${Object.keys(told).join(' and ') || 'nobody'}`, async () => {
      const { exitCode, stdout, stderr } = await run([...args.split(' '), '--json'], told);
      assert.equal(exitCode, exitCodes[exit], stdout + stderr);
      assert.match(stdout, says);
      assert.equal(stderr, '');
      const document = JSON.parse(stdout);
      const isError = ['usage', 'configuration', 'noSupervisor'].includes(exit);
      if (isError) assert.equal(typeof document.error.advice, 'string');
    });
  }

  it('exit the same for people, who have the error on standard error', async () => {
    const { exitCode, stdout, stderr } = await run(['resume'], { 'POST /v1/resume': refusal('NOT_PAUSED') });
    assert.deepEqual([exitCode, stdout], [exitCodes.refused, '']);
    assert.equal(stderr, 'holdfast: NOT_PAUSED: the sentence of NOT_PAUSED\n  Nothing to do.\n');
  });

  it('discard no more than was shown, and go on until nothing of it is left', async () => {
    bodies.length = 0;
    const args = ['replication', 'quarantine', 'discard', '--all', '--yes-lose-data'];
    const { exitCode, stdout } = await run(args, { [quarantine]: toDiscard });
    assert.deepEqual([exitCode, stdout.slice(0, 22)], [0, 'discarded: 2 thing(s),']);
    assert.deepEqual(
      bodies.map(({ selection, dryRun }) => [selection, dryRun]),
      [
        [{ kind: 'all', upTo: null }, true],
        [{ kind: 'all', upTo: '1/x' }, false],
      ],
    );
  });

  it('ask nobody with --json, who is not shown what is asked about', { timeout: 5000 }, async () => {
    const before = process.stdin.isTTY;
    process.stdin.isTTY = true;
    try {
      const told = { ...leads, 'POST /v1/operations': plan };
      assert.equal((await run(['switchover', '--json'], told)).exitCode, exitCodes.usage);
    } finally {
      process.stdin.isTTY = before;
    }
  });

  it('say which commands there are where one is missing', async () => {
    const { exitCode, stderr } = await run(['operation']);
    assert.equal(exitCode, exitCodes.usage);
    assert.match(stderr, /cancel \[options\] +call it off/);
  });

  it('say that no supervisor answers', async () => {
    const { exitCode, stdout } = await runHere(['status', '--json', '--config', await elsewhere()]);
    assert.equal(exitCode, exitCodes.noSupervisor);
    assert.equal(JSON.parse(stdout).error.code, 'CONTROL_UNREACHABLE');
  });

  async function elsewhere(): Promise<string> {
    const file = join(folder, 'elsewhere.yaml');
    writeFileSync(
      file,
      `cluster: lab\nnode: { id: a }\netcd: { endpoints: ["http://127.0.0.1:1"] }
vips: [{ address: 10.0.0.100/24, interface: lo }]\nreplication: { address: 127.0.0.1 }\npaths: { run: ${join(folder, 'nowhere')} }\n`,
    );
    return file;
  }

  it('tell what they wait for once it takes over a second', async () => {
    const slow = createServer(
      (_, response) => void setTimeout(() => response.end(JSON.stringify(statusOfA())), 1300),
    );
    const file = await elsewhere();
    mkdirSync(join(folder, 'nowhere'), { recursive: true });
    slow.listen(controlSocket(join(folder, 'nowhere')));
    await once(slow, 'listening');
    try {
      const people = await runHere(['status', '--config', file]);
      assert.equal(people.stderr, 'waiting for the supervisor of this host ...\n');
      assert.equal((await runHere(['status', '--json', '--config', file])).stderr, '');
    } finally {
      slow.close();
      slow.closeAllConnections();
      rmSync(join(folder, 'nowhere'), { recursive: true });
    }
  });

  it('take a password by a pipe, one line, and say that none came', async () => {
    const password = (input: string) =>
      execa(process.execPath, [main, 'password', '--json'], { reject: false, input });
    const [good, none, two] = await Promise.all([password('secret\n'), password(''), password('a\nb\n')]);
    assert.match(JSON.parse(good.stdout).hash, /^\$argon2id\$/);
    for (const [{ exitCode, stdout }, says] of [
      [none, /no password came/],
      [two, /more than one line/],
    ] as const) {
      assert.equal(exitCode, exitCodes.usage);
      assert.match(JSON.parse(stdout).error.message, says);
    }
  });
});

describe('what lies in quarantine, for people', () => {
  const entry = { ...aside, reason: 'only-here', type: 'file' } as const;

  it('is a table with how much there is, what is left out, and what lies elsewhere', () => {
    const total = { ...summary, entries: 3, bytes: 8192, oldestAt: aside.at };
    const elsewhere = [{ node: 'b', detail: '1 thing(s) lie there' }];
    assert.equal(
      renderList('a', total, [entry], elsewhere),
      `on a: 3 thing(s), 8192 B on disk, the oldest since 2026-11-26T03:15:02.123Z; kept: at most 50 GB and 90 days
Id            Set aside             Type  Size  Why        Path
0badcafe0123  2026-11-26T03:15:02Z  file  12 B  only here  a/b
and 2 older: see \`--last 3\`
on b: 1 thing(s) lie there`,
    );
    assert.equal(renderList('a', summary, [], []), 'on a: nothing lies in quarantine');
  });

  it('is told in full of one', () => {
    const one = {
      ...{
        ...entry,
        type: 'folder' as const,
        pathBase64: 'YS9i',
        place: 'aside-7/000001-\x9bx',
        mode: 0o640,
      },
      ...{ modifiedAt: aside.at, isWhole: false },
      content: [{ path: 'f', type: 'file' as const, bytes: 1 }],
      inService: { type: 'file' as const, bytes: 20_000, modifiedAt: aside.at },
    };
    const text = renderDetail(one, '/data/quarantine');
    assert.match(text, /^judged by: {3}b, which led at epoch 7$/m);
    assert.match(text, /^lies in: {5}\/data\/quarantine\/aside-7\/000001-\?x$/m);
    assert.match(text, /^in service: {2}file, 20 kB, changed 2026/m);
    assert.match(text, /^ {2}f {2}1 B\n {2}\.\.\.$/m);
  });
});

describe('the grammar', () => {
  const whole = allCommands(program());

  it('has --json with every command', () => {
    const without = whole.filter(
      ({ commands, options }) => commands.length === 0 && !options.some(({ long }) => long === '--json'),
    );
    assert.deepEqual(without.map(fullName), []);
  });

  it('plans nothing that is there, and has a word for each', () => {
    const there = whole.map((command) => fullName(command).replace(/^holdfast /, ''));
    for (const [usage, purpose] of plannedCommands) {
      const name = usage.replaceAll(/ \[?[A-Z].*$/g, '');
      assert.ok(!there.includes(name), `${name} is there: take its row out of grammar.ts`);
      assert.ok(purpose.length > 0);
    }
  });

  it('keeps the names that were given once', () => {
    const names = whole.map(fullName);
    for (const name of ['status', 'why', 'doctor', 'history', 'switchover', 'failover', 'operation show']) {
      assert.ok(names.includes(`holdfast ${name}`), name);
    }
    for (const name of ['operation cancel', 'pause', 'resume', 'accept-etcd', 'clear', 'config check']) {
      assert.ok(names.includes(`holdfast ${name}`), name);
    }
    for (const name of ['password', 'fsm', 'replay', 'supervisor', 'release']) {
      assert.ok(names.includes(`holdfast ${name}`), name);
    }
  });

  it('suggests what is near, and nothing that is not', () => {
    assert.equal(nearMiss('host-aa', ['host-a', 'other']), 'host-a');
    assert.equal(nearMiss('nowhere', ['a', 'b']), null);
    assert.equal(nearMiss('x', []), null);
  });
});
