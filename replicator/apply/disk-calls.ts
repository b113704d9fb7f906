import { fdatasync, fsync } from 'node:fs';
import { promisify } from 'node:util';
import type { FlushCalls } from './flusher.ts';

/** The real disk, by libuv's pool of threads. */
export const diskCalls: FlushCalls = { fsync: promisify(fsync), fdatasync: promisify(fdatasync) };
