import { chainBytes, maxBatchBytes } from '../log/batch.ts';

/** What the protocol bounds, in bytes unless said otherwise. The door of each side refuses what is beyond. */
export const limits = {
  /** Type and body of any frame. */
  frame: 16 * 1024 * 1024,
  /** Of one batch, beside its payload. A leader ends a turn's batch before; what exceeds it is sent without. */
  batchData: 8 * 1024 * 1024,
  batchPayload: maxBatchBytes,
  chain: chainBytes,
  /** JSON of a control message. */
  control: 1024 * 1024,
  /** JSON of the configuration, with contents in base64. */
  config: 12 * 1024 * 1024,
  /** Epochs that are told: the newest. */
  epochs: 16_384,
  /** One piece of a file's content. */
  contentPiece: 256 * 1024,
  /** The range of one request. */
  contentRange: 1024 * 1024,
  /** Ranges are compared in blocks of so many bytes. */
  digestBlock: 1024 * 1024,
  /** The range of one comparison. */
  digestRange: 64 * 1024 * 1024,
  digest: 32,
  /** Names in a page of a directory. */
  pageNames: 1000,
  name: 255,
  symlinkTarget: 4095,
  /** All names of a file that an answer tells; the others are left out. */
  answerNames: 4 * 1024 * 1024,
  /** Open handles of a file that an answer tells. */
  answerHandles: 65_536,
  /** Requests of a follower that are not answered yet. */
  requests: 64,
  /** Pages of directories among them: a follower keeps in mind what they name. */
  requestedPages: 16,
  /** Content asked for and not received yet. */
  requestedContent: 8 * 1024 * 1024,
} as const;
