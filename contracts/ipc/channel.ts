import type * as z from 'zod';

/** A process at the other end of an IPC channel: the supervisor's child, or the child's own `process`. */
export interface IpcPeer {
  send?(message: unknown, callback?: (error: Error | null) => void): boolean;
  on(event: 'message', listener: (message: unknown) => void): unknown;
}

/** Sends; a channel that is already closed is not an error here, since its close event is what gets handled. */
export function sendTo(peer: IpcPeer, message: unknown): void {
  peer.send?.(message, () => {});
}

/** Calls `handle` with each message that fits the schema; one that does not is handed to `reject` and dropped. */
export function receiveFrom<Schema extends z.ZodType>(
  peer: IpcPeer,
  schema: Schema,
  handle: (message: z.infer<Schema>) => void,
  reject: (problem: string) => void,
): void {
  peer.on('message', (raw) => {
    const parsed = schema.safeParse(raw);
    if (parsed.success) handle(parsed.data);
    else reject(parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; '));
  });
}
