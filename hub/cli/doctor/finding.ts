// How `roost doctor` ends.

import type { Finding } from '@roost/shared/diagnosis/finding.ts'
import { exitCodes } from '../exit-codes.ts'

export const hubAway = 'hub'

/** 0 where nothing is broken, 3 where no more is than that the hub cannot be reached, 1 else. */
export function exitCodeOfFindings(findings: readonly Finding[]): number {
  const faults = findings.filter(({ verdict }) => verdict === 'fault')
  if (faults.length === 0) return exitCodes.done
  return faults.every(({ check }) => check === hubAway) ? exitCodes.hubAway : exitCodes.refused
}
