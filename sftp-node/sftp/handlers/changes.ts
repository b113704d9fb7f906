import type { Change } from '#contracts/engine/message.ts';
import { changeOf, type Lookups, type RequestName } from '../../engine/sftp-changes.ts';
import { shown, shownAttributes } from '../audit.ts';
import type { Handler, SessionContext } from '../context.ts';
import { okReply } from '../replies.ts';

export function lookupsIn({ handles, linkFirst }: SessionContext): Lookups {
  return { handleOf: (name) => handles.file(name).engineHandle, linkFirst };
}

/** A change that the engine makes: answered once it is durable as far as it must be (G3). */
export function changing(name: Exclude<RequestName, 'open' | 'close' | 'fsync'>): Handler {
  return async (context, id, fields) => {
    const change = changeOf(name, fields, lookupsIn(context));
    if (change === 'reads' || change.kind === 'open') throw new Error(`${name} is no change`);
    const about = change.kind === 'set-handle-attributes' ? pathOfHandle(context, change.handle) : null;
    const { paths } = await context.engine.change(change);
    auditChange(context, change, about === null ? paths : [about]);
    return okReply(id);
  };
}

function pathOfHandle({ handles }: SessionContext, handle: number): Buffer {
  return handles.files.find(({ engineHandle }) => engineHandle === handle)?.path ?? Buffer.alloc(0);
}

/** @param paths where those of the change led, from the files root */
function auditChange({ audit }: SessionContext, change: Change, paths: readonly Buffer[]): void {
  const [path, to] = paths.map(shown);
  switch (change.kind) {
    case 'rename':
    case 'link':
      audit.info({ audit: change.kind, path, to }, change.kind);
      return;
    case 'symlink':
      audit.info({ audit: 'symlink', path, target: shown(change.target) }, 'symlink');
      return;
    case 'set-attributes':
    case 'set-handle-attributes':
      audit.info({ audit: 'setstat', path, ...shownAttributes(change.attributes) }, 'setstat');
      return;
    default:
      audit.info({ audit: change.kind, path }, change.kind);
  }
}
