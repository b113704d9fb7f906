/** Every request that takes a path, by symbolic links that lead out of the home, also ones that appear in the middle. */
import assert from 'node:assert/strict';
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { FieldWriter } from '../../../sftp-node/sftp/fields.ts';
import { attributeFlag, openFlag, packetType, statusCode } from '../../../sftp-node/sftp/protocol.ts';
import { prepare } from './requests.ts';
import { SessionFixture } from './session-fixture.ts';

const { ok, noSuchFile, failure, permissionDenied } = statusCode;
/** The door walks to what it reads; to what is changed the engine does. */
const isRead = (request: string) => /^(OPEN for reading|STAT|LSTAT|OPENDIR|READLINK|statvfs)/.test(request);
const { write, read, create, truncate, exclusive } = openFlag;
const { size, permissions, times } = attributeFlag;

/** The status, or the type of another reply. */
type Outcome = number | 'attrs' | 'handle' | 'name' | 'extendedReply';
type Try = (path: string) => Promise<Outcome>;

describe('a link out of the home', { timeout: 20_000 }, () => {
  let session: SessionFixture;
  let outside: string;
  let untouched: string[];
  beforeEach(async () => {
    session = await SessionFixture.open();
    outside = join(session.base, 'outside');
    for (const folder of [session.home, outside]) {
      mkdirSync(folder, { recursive: true });
      prepare(folder);
      writeFileSync(join(folder, 'd/f'), folder === outside ? 'secret' : 'mine');
      mkdirSync(join(folder, 'd/empty'));
    }
    utimesSync(join(outside, 'f'), 1000, 1000);
    untouched = everythingIn(outside);
  });
  afterEach(async () => {
    assert.deepEqual(everythingIn(outside), untouched, 'something outside was changed');
    await session.dispose();
  });

  async function outcome(type: number, fields: FieldWriter): Promise<Outcome> {
    const reply = await session.raw.request(type, fields);
    if (reply.type === packetType.status) return reply.fields.u32();
    const [name] = Object.entries(packetType).find(([, number]) => number === reply.type) ?? [''];
    return name as Outcome;
  }
  const path =
    (type: number): Try =>
    (name) =>
      outcome(type, new FieldWriter().text(name));
  const open =
    (flags: number): Try =>
    (name) =>
      outcome(packetType.open, new FieldWriter().text(name).u32(flags).u32(0));
  const attributes =
    (...head: readonly string[]): Try =>
    (name) => {
      const fields = new FieldWriter();
      for (const text of [...head, name]) fields.text(text);
      fields
        .u32(size | permissions | times)
        .u64(1)
        .u32(0o777)
        .u32(5)
        .u32(5);
      return outcome(head.length > 0 ? packetType.extended : packetType.setstat, fields);
    };
  const mode: Try = (name) =>
    outcome(packetType.setstat, new FieldWriter().text(name).u32(permissions).u32(0o777));
  const extended =
    (request: string, ...more: readonly string[]): Try =>
    (name) => {
      const fields = new FieldWriter().text(request).text(name);
      for (const text of more) fields.text(text);
      return outcome(packetType.extended, fields);
    };
  const onto =
    (request: string, from: string): Try =>
    (name) =>
      outcome(packetType.extended, new FieldWriter().text(request).text(from).text(name));
  const two =
    (type: number, first: string | null, second: string | null): Try =>
    (name) =>
      outcome(type, new FieldWriter().text(first ?? name).text(second ?? name));

  /**
   * For each request what comes of it: at a name that is a link, and at a name that becomes one after the walk ended
   * there. By a link in the middle of the path there is nothing to be found.
   */
  const requests: Record<string, { at: string; run: Try; atLink: Outcome; swapped: Outcome }> = {
    'OPEN for reading': { at: 'f', run: open(read), atLink: noSuchFile, swapped: noSuchFile },
    'OPEN for writing': { at: 'f', run: open(write | truncate), atLink: noSuchFile, swapped: noSuchFile },
    'OPEN that creates': { at: 'f', run: open(write | create), atLink: noSuchFile, swapped: noSuchFile },
    'OPEN that alone creates': {
      at: 'f',
      run: open(write | create | exclusive),
      atLink: failure,
      swapped: failure,
    },
    STAT: { at: 'f', run: path(packetType.stat), atLink: noSuchFile, swapped: noSuchFile },
    LSTAT: { at: 'f', run: path(packetType.lstat), atLink: 'attrs', swapped: 'attrs' },
    SETSTAT: { at: 'f', run: attributes(), atLink: noSuchFile, swapped: noSuchFile },
    'SETSTAT of a mode': { at: 'f', run: mode, atLink: noSuchFile, swapped: noSuchFile },
    lsetstat: { at: 'f', run: attributes('lsetstat@openssh.com'), atLink: ok, swapped: ok },
    OPENDIR: { at: 'd', run: path(packetType.opendir), atLink: noSuchFile, swapped: noSuchFile },
    REMOVE: { at: 'f', run: path(packetType.remove), atLink: ok, swapped: ok },
    MKDIR: {
      at: 'empty',
      run: (name) => outcome(packetType.mkdir, new FieldWriter().text(name).u32(0)),
      atLink: failure,
      swapped: failure,
    },
    RMDIR: { at: 'empty', run: path(packetType.rmdir), atLink: noSuchFile, swapped: noSuchFile },
    READLINK: { at: 'f', run: path(packetType.readlink), atLink: 'name', swapped: 'name' },
    'RENAME from there': { at: 'f', run: two(packetType.rename, null, '/n'), atLink: ok, swapped: ok },
    'RENAME to there': {
      at: 'f',
      run: two(packetType.rename, '/l', null),
      atLink: failure,
      swapped: failure,
    },
    'posix-rename from there': {
      at: 'f',
      run: extended('posix-rename@openssh.com', '/n'),
      atLink: ok,
      swapped: ok,
    },
    'posix-rename to there': {
      at: 'f',
      run: onto('posix-rename@openssh.com', '/l'),
      atLink: ok,
      swapped: ok,
    },
    'hardlink from there': {
      at: 'f',
      run: extended('hardlink@openssh.com', '/n'),
      atLink: permissionDenied,
      swapped: ok,
    },
    'hardlink to there': {
      at: 'f',
      run: onto('hardlink@openssh.com', '/d/f'),
      atLink: failure,
      swapped: failure,
    },
    statvfs: {
      at: 'f',
      run: extended('statvfs@openssh.com'),
      atLink: noSuchFile,
      swapped: 'extendedReply',
    },
  };

  const linkTo = {
    absolute: (name: string) => join(outside, name),
    relative: (name: string) => `../../outside/${name}`,
  };

  for (const [kind, targetOf] of Object.entries(linkTo)) {
    for (const [request, { at, run, atLink }] of Object.entries(requests)) {
      it(`(${kind}) at the end of the path of ${request}`, async () => {
        rmSync(session.at(at), { recursive: true });
        symlinkSync(targetOf(at), session.at(at));
        assert.equal(await run(`/${at}`), atLink);
      });

      it(`(${kind}) in the middle of the path of ${request}`, async () => {
        symlinkSync(targetOf('d'), session.at('out'));
        assert.equal(await run(`/out/${at === 'd' ? 'empty' : at}`), noSuchFile);
      });
    }

    it(`(${kind}) in the middle of a path to REALPATH shows nothing of the host`, async () => {
      symlinkSync(targetOf('d'), session.at('out'));
      const found = await session.raw.request(packetType.realpath, new FieldWriter().text('/out/f'));
      assert.equal(found.type, packetType.status);
      assert.equal(found.fields.u32(), noSuchFile);
    });

    for (const first of [true, false]) {
      it(`(${kind}) in the path of the ${first ? 'first' : 'second'} name of SYMLINK`, async () => {
        symlinkSync(targetOf('d'), session.at('out'));
        const names = first ? ['/out/n', '/n'] : ['/n', '/out/n'];
        // Of the two one is a text that goes into the link: which of them is another test's matter.
        await session.raw.paths(packetType.symlink, ...names);
      });
    }
  }

  const readings = Object.entries(requests).filter(([request]) => isRead(request));
  for (const [request, { at, run, swapped }] of readings) {
    it(`that takes the place of a name of ${request} after the walk is not followed`, async () => {
      session.beforeUse = ({ relative }) => {
        if (relative.toString() !== `alice/${at}`) return;
        rmSync(session.at(at), { recursive: true });
        symlinkSync(join(outside, at), session.at(at));
      };
      assert.equal(await run(`/${at}`), swapped);
    });

    it(`that takes the place of a directory of ${request} after the walk is not followed`, async () => {
      let turns = 0;
      session.beforeUse = ({ relative }) => {
        if (!relative.toString().startsWith('alice/d/') || turns++ > 0) return;
        renameSync(session.at('d'), session.at('moved'));
        symlinkSync(join(outside, 'd'), session.at('d'));
      };
      const name = at === 'd' ? 'empty' : at;
      const result = await run(`/d/${name}`);
      assert.equal(turns > 0, true);
      if (result === 'handle' && request.startsWith('OPEN for reading')) {
        const read = new FieldWriter()
          .bytes(Buffer.from([0, 0, 0, 1]))
          .u64(0)
          .u32(10);
        const { fields } = await session.raw.request(packetType.read, read);
        assert.equal(fields.bytes().toString(), 'mine');
      }
    });
  }

  it('that takes the place of a file after the walk tells STATVFS nothing of another file system', async () => {
    session.beforeUse = () => {
      rmSync(session.at('f'));
      symlinkSync('/proc', session.at('f'));
    };
    const fields = new FieldWriter().text('statvfs@openssh.com').text('/f');
    const reply = await session.raw.request(packetType.extended, fields);
    reply.fields.u64();
    reply.fields.u64();
    assert.notEqual(reply.fields.u64(), 0, 'the blocks of /proc');
  });
});

/** Names, kinds, modes, sizes, dates, contents. */
function everythingIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => {
      const at = join(folder, name);
      const stats = lstatSync(at);
      const { mode, size, mtimeMs, ctimeMs, nlink } = stats;
      const content = stats.isFile() ? readFileSync(at, 'utf8') : '';
      return [name, mode.toString(8), size, mtimeMs, ctimeMs, nlink, content].join(' ');
    })
    .sort();
}
