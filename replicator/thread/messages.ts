import type { ReplicatorSettings, ToReplicator } from '#contracts/ipc/replicator.ts';

export interface EngineThreadData {
  readonly settings: ReplicatorSettings;
  /** Memory of the WriteGate. */
  readonly gate: SharedArrayBuffer;
  /** Memory of the Pulse. */
  readonly pulse: SharedArrayBuffer;
}

/** What the control lane passes on to the engine's thread. */
export type ToEngineThread = Exclude<ToReplicator, { type: 'start' | 'gate' | 'shut-gate' | 'ping' }>;
