import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import type { Logger } from '#contracts/log.ts';
import { ConfigRoot } from '../../../../replicator/config/config-root.ts';
import { ensureHostKeys } from '../../../../replicator/config/host-keys.ts';
import { readConfig } from '../../../../replicator/config/snapshot.ts';

const good = 'users:\n  - name: alice\n';
const invalid = 'users:\n  - nme: x\n';
const hostKey = 'host_keys/ssh_host_ed25519_key';

class TestHost {
  readonly path: string;
  readonly state: string;
  readonly lines: { code?: string; msg: string }[] = [];
  nowMs = 1000;
  config: ConfigRoot;

  constructor(base: string, name: string) {
    this.path = join(base, name, 'config');
    this.state = join(base, name, 'state');
    for (const folder of [this.path, this.state]) mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.config = this.start();
  }

  /** As a replicator that starts anew. */
  start(): ConfigRoot {
    const note = ({ code }: { code?: string }, msg: string) =>
      this.lines.push({ ...(code && { code }), msg });
    this.config = new ConfigRoot({
      configRoot: this.path,
      stateRoot: this.state,
      log: { error: note, warn: note, info: () => {} } as unknown as Logger,
      now: () => this.nowMs,
      wallClock: () => new Date(this.nowMs),
      onChange: () => {},
    });
    return this.config;
  }

  write(path: string, text: string): this {
    writeFileSync(join(this.path, path), text, { mode: 0o600 });
    this.config.refresh();
    return this;
  }

  read(path: string): string {
    return readFileSync(join(this.path, path), 'utf8');
  }

  inForce(path: string): string | undefined {
    const file = this.config.snapshot.files.find((one) => one.path === path);
    return file && Buffer.from(file.content, 'base64').toString();
  }

  adopt(leader: TestHost): string[] {
    return this.config.adopt(leader.config.snapshot, 'a', join(this.state, 'kept-keys'));
  }

  get codes(): string[] {
    return this.config.problems.map(({ code }) => code);
  }
}

let base: string;
let leader: TestHost;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'holdfast-config-root-'));
  leader = new TestHost(base, 'a').write('users.yaml', good);
  ensureHostKeys(leader.path, leader.config.snapshot);
  leader.config.refresh();
  leader.config.keepLastGood();
});
afterEach(() => rmSync(base, { recursive: true }));

describe('a file on the leader that may not be used', () => {
  it('does not leave it: the last good users are what is sent, under the same digest', () => {
    const { digest } = leader.config.snapshot;
    leader.write('users.yaml', invalid);
    assert.equal(leader.config.snapshot.digest, digest);
    assert.equal(leader.inForce('users.yaml'), good);
    assert.equal(leader.read('users.yaml'), invalid, 'the operator’s file is not touched');
    const [problem] = leader.config.problems;
    assert.deepEqual([problem?.path, problem?.code], ['users.yaml', 'USERS_INVALID']);
    assert.match(
      String(problem?.sentence),
      /users.yaml:2: users.0.name: .*; the last good version is in force/,
    );
    assert.deepEqual(leader.lines.filter(({ code }) => code === 'USERS_INVALID').length, 1);
  });

  it('does not become the last good one, and is not used by a replicator that starts anew', () => {
    const { digest } = leader.config.snapshot;
    leader.write('users.yaml', invalid);
    leader.config.keepLastGood();
    assert.equal(leader.start().snapshot.digest, digest);
  });

  it('is in force everywhere once it is mended', () => {
    leader.write('users.yaml', invalid).write('users.yaml', `${good}  - name: bob\n`);
    assert.match(String(leader.inForce('users.yaml')), /bob/);
    assert.deepEqual(leader.codes, []);
  });

  it('is not missed where users.yaml is gone', () => {
    const { digest } = leader.config.snapshot;
    rmSync(join(leader.path, 'users.yaml'));
    leader.config.refresh();
    assert.equal(leader.config.snapshot.digest, digest);
    assert.deepEqual(leader.codes, ['USERS_UNREADABLE']);
  });

  it('tells of users that are left out, while the file is in force', () => {
    leader.write('users.yaml', `${good}  - { name: bob, home: /etc }\n`);
    assert.match(String(leader.inForce('users.yaml')), /bob/);
    assert.deepEqual(leader.codes, ['USER_LEFT_OUT']);
    assert.match(String(leader.config.problems[0]?.sentence), /users.yaml:3: user bob is left out/);
  });

  const spoil: [what: string, code: string, how: (file: string) => void][] = [
    ['malformed', 'HOST_KEY_INVALID', (file) => writeFileSync(file, 'garbage')],
    ['open to others', 'HOST_KEY_PERMISSIONS', (file) => chmodSync(file, 0o644)],
    ['gone', 'HOST_KEY_UNREADABLE', (file) => rmSync(file)],
  ];
  for (const [what, code, how] of spoil) {
    it(`does not change the host keys where one is ${what}, and makes no others`, () => {
      const { digest } = leader.config.snapshot;
      const { fingerprints } = leader.config;
      how(join(leader.path, hostKey));
      leader.config.refresh();
      assert.equal(leader.config.snapshot.digest, digest);
      assert.deepEqual(leader.codes, [code]);
      assert.deepEqual(leader.start().fingerprints, fingerprints);
      assert.equal(leader.config.mayLackHostKeys, true);
    });
  }

  it('is left out, and others are not made in its place, when no version of a host key is good', () => {
    const fresh = new TestHost(base, 'fresh');
    mkdirSync(join(fresh.path, 'host_keys'));
    assert.equal(fresh.config.mayLackHostKeys, false);
    fresh.write(hostKey, 'garbage');
    assert.equal(fresh.inForce(hostKey), undefined);
    assert.equal(fresh.config.mayLackHostKeys, true);
    assert.match(String(fresh.config.problems[0]?.sentence), /there is no good version/);
  });

  it('is told of when it is a symbolic link, which no other host gets, and no host key is made in its place', () => {
    const fresh = new TestHost(base, 'fresh');
    mkdirSync(join(fresh.path, 'host_keys'));
    for (const path of ['users.yaml', hostKey]) symlinkSync(join(leader.path, path), join(fresh.path, path));
    fresh.config.refresh();
    assert.deepEqual(
      fresh.config.problems.map(({ path, code }) => [path, code]),
      [
        [hostKey, 'HOST_KEY_UNREADABLE'],
        ['users.yaml', 'USERS_UNREADABLE'],
      ],
    );
    assert.match(fresh.config.problems[1]?.sentence ?? '', /users\.yaml is a symbolic link/);
    assert.equal(fresh.config.mayLackHostKeys, true);
    fresh.adopt(leader);
    assert.equal(fresh.read('users.yaml'), good);
    assert.equal(fresh.config.snapshot.digest, leader.config.snapshot.digest);
  });

  it('is told of as a whole when the root is too large, also at a start, where the last good config holds', () => {
    const { digest } = leader.config.snapshot;
    writeFileSync(join(leader.path, 'dump.sql'), Buffer.alloc(9 * 1024 * 1024));
    assert.equal(leader.start().snapshot.digest, digest);
    assert.deepEqual(leader.codes, ['CONFIG_TOO_LARGE']);
    assert.equal(leader.config.mayLackHostKeys, true);
  });

  it('is kept out of sight of others', () => {
    const folder = join(leader.path, '.last-good');
    assert.equal(statSync(folder).mode & 0o777, 0o700);
    assert.equal(statSync(join(folder, hostKey)).mode & 0o777, 0o600);
    assert.equal(readConfig(folder).digest, leader.config.snapshot.digest);
  });
});

describe('an edit on a host that does not lead', () => {
  let standby: TestHost;
  const kept = () => {
    const folder = join(standby.state, 'overwritten');
    return existsSync(folder) ? readdirSync(folder).sort() : [];
  };
  beforeEach(() => {
    standby = new TestHost(base, 'b');
    standby.adopt(leader);
  });

  it('is no other thing than what the leader changes', () => {
    leader.write('users.yaml', `${good}  - name: bob\n`);
    standby.adopt(leader);
    assert.deepEqual([standby.codes, kept()], [[], []]);
    assert.equal(standby.config.snapshot.digest, leader.config.snapshot.digest);
    assert.equal(standby.config.consistsOf(leader.config.snapshot), true);
  });

  it('is undone, kept, and told for a while with the host where it belongs', () => {
    const edit = `${good}  - name: eve\n`;
    standby.write('users.yaml', edit);
    assert.equal(standby.config.consistsOf(leader.config.snapshot), false);
    standby.adopt(leader);
    assert.equal(standby.read('users.yaml'), good);
    const [name, ...more] = kept();
    assert.deepEqual(more, []);
    assert.equal(readFileSync(join(standby.state, 'overwritten', String(name)), 'utf8'), edit);
    const [problem] = standby.config.problems;
    assert.equal(problem?.code, 'CONFIG_EDIT_UNDONE');
    assert.match(
      String(problem?.sentence),
      /users.yaml was edited on this host and not on a, which leads: .*; edit it on the host that leads; .*overwritten\/.*users.yaml/,
    );
    assert.equal(standby.lines.filter(({ code }) => code === 'CONFIG_EDIT_UNDONE').length, 1);
    standby.nowMs += 61 * 60_000;
    assert.deepEqual(standby.codes, []);
  });

  it('is undone as well when it is invalid, and never was in force', () => {
    standby.write('users.yaml', invalid);
    assert.equal(standby.config.snapshot.digest, leader.config.snapshot.digest);
    assert.equal(standby.config.consistsOf(leader.config.snapshot), false);
    standby.adopt(leader);
    assert.equal(standby.read('users.yaml'), good);
    assert.deepEqual(standby.codes, ['CONFIG_EDIT_UNDONE']);
  });

  it('is undone as well when it removes a file, or makes one, or opens a host key', () => {
    rmSync(join(standby.path, 'users.yaml'));
    standby.write('extra.yaml', 'mine');
    chmodSync(join(standby.path, hostKey), 0o644);
    standby.config.refresh();
    standby.adopt(leader);
    assert.equal(standby.config.consistsOf(leader.config.snapshot), true);
    assert.deepEqual(standby.config.problems.map(({ path }) => path).sort(), ['extra.yaml', 'users.yaml']);
    assert.equal(kept().length, 1);
    assert.equal(statSync(join(standby.path, hostKey)).mode & 0o777, 0o600);
  });

  it('of a host key names where the replaced key is kept', () => {
    standby.write(hostKey, 'its own');
    assert.deepEqual(standby.adopt(leader), [hostKey]);
    assert.match(String(standby.config.problems[0]?.sentence), /kept-keys/);
    assert.deepEqual(kept(), []);
  });

  it('is one of a few that are kept', () => {
    for (let edit = 0; edit < 25; edit++) {
      standby.nowMs += 1000;
      standby.write('users.yaml', `# edit ${edit}\n`);
      standby.adopt(leader);
    }
    assert.equal(kept().length, 20);
    const last = readFileSync(join(standby.state, 'overwritten', String(kept().at(-1))), 'utf8');
    assert.equal(last, '# edit 24\n');
  });

  it('is that of a former leader whose file was invalid: what it kept as good is what others have', () => {
    leader.write('users.yaml', invalid);
    standby.write('users.yaml', good);
    leader.adopt(standby);
    assert.equal(leader.read('users.yaml'), good);
    assert.deepEqual(leader.codes, ['CONFIG_EDIT_UNDONE']);
  });
});
