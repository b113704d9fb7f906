import { codeOf } from '#contracts/errors.ts';
import { RefusedError } from '../control/client.ts';
import type { Verdict } from '../control/outlook.ts';
import type { Cause } from '../core/cause.ts';
import type { OperationRecord } from '../core/records/operation.ts';

/**
 * Every exit code of the command line, for scripts. docs/commands.md has the same rows, compared by a test; no other
 * number stands anywhere in the commands.
 */
export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  refused: 3,
  leaderless: 4,
  unknown: 5,
  operationFailed: 6,
  operationCancelled: 7,
  operationDoneAllTheSame: 8,
  operationLost: 9,
  noSupervisor: 10,
  /** EX_CONFIG of sysexits.h: systemd does not start the service again before somebody has mended the file. */
  configuration: 78,
  interrupted: 130,
} as const;

export type ExitName = keyof typeof exitCodes;

export const exitMeanings: Record<ExitName, string> = {
  done: 'Done, or nothing is wrong; warnings do not change it.',
  failed: 'It failed; `doctor` and `config check`: something is wrong.',
  usage:
    'A command, option, value or host name that is not known, or that is missing; nothing was asked of anybody.',
  refused: 'Refused, with the reason; nothing was changed. A dry run: it would be refused.',
  leaderless: '`status`, `why`: nobody leads.',
  unknown:
    'Not known: etcd does not answer the host that was asked. `status` and `why` then say how old what they tell is.',
  operationFailed: 'The switchover or failover that was watched failed.',
  operationCancelled: 'The switchover or failover was called off, or not confirmed.',
  operationDoneAllTheSame: '`operation cancel`: it was done before it could be called off.',
  operationLost: 'What became of the operation is not known here: see `holdfast history`.',
  noSupervisor: 'The supervisor of this host does not answer.',
  configuration: 'holdfast.yaml cannot be read or has problems; systemd does not start the service again.',
  interrupted: 'Ctrl-C: the watching ended, the operation goes on.',
};

const ofErrors: Record<string, ExitName> = {
  CONFIG_UNREADABLE: 'configuration',
  CONFIG_INVALID: 'configuration',
  CONTROL_UNREACHABLE: 'noSupervisor',
  REQUEST_INVALID: 'usage',
  TARGET_UNKNOWN: 'usage',
  QUARANTINE_UNKNOWN: 'usage',
  QUARANTINE_AMBIGUOUS: 'usage',
  QUARANTINE_ELSEWHERE: 'usage',
  RESTORE_REFUSED: 'refused',
  OPERATION_CANCELLED: 'operationCancelled',
  NO_OPERATION: 'refused',
  NO_REMOVAL: 'refused',
  ETCD_UNREACHABLE: 'unknown',
};

/** What the supervisor refuses is told from what fails. */
export function exitOfError(error: unknown): ExitName {
  return ofErrors[codeOf(error)] ?? (error instanceof RefusedError ? 'refused' : 'failed');
}

/** Of a dry run, or of what would be asked for: null is no refusal. */
export function exitOfRefusal(refusal: Cause | null): ExitName {
  return refusal === null ? 'done' : (ofErrors[refusal.code] ?? 'refused');
}

export function exitOfVerdict(verdict: Verdict): ExitName {
  return verdict === 'led' ? 'done' : verdict;
}

/** How a watched operation ended; null: nobody here knows. */
export function exitOfOperation(ended: Pick<OperationRecord, 'state'> | null): ExitName {
  switch (ended?.state) {
    case 'done':
      return 'done';
    case 'failed':
      return 'operationFailed';
    case 'cancelled':
      return 'operationCancelled';
    default:
      return 'operationLost';
  }
}

/** Of `operation cancel`, which wants it cancelled. */
export function exitOfCancel(ended: Pick<OperationRecord, 'state'> | null): ExitName {
  if (ended?.state === 'cancelled') return 'done';
  return ended?.state === 'done' ? 'operationDoneAllTheSame' : exitOfOperation(ended);
}
