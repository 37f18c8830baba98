// `roost-agent doctor`: what keeps a device from working, from its own folder to its hub. It changes nothing.

import type { Finding } from '@roost/shared/diagnosis/finding.ts'
import type { AgentConfig } from '../config.ts'
import { readStatus } from '../control/status.ts'
import { checkBroker, checkHub } from './connection-checks.ts'
import { checkAgent, checkDisk, checkFolder, checkProfile } from './machine-checks.ts'

export type Examined = Pick<AgentConfig, 'dir' | 'hubUrl' | 'mqttUrl'>

/** @param version the agent's own
 *  @param isAlive whether a process runs */
export async function examine(
  { dir, hubUrl, mqttUrl }: Examined,
  version: string,
  clock: () => number,
  isAlive: (pid: number) => boolean,
): Promise<Finding[]> {
  const { findings, identity } = await checkFolder(dir)
  if (identity === undefined) return findings
  const status = await readStatus(dir)
  const isRunning = status?.running === true && isAlive(status.pid)
  return [
    ...findings,
    await checkDisk(dir, identity.profile),
    checkProfile(identity.profile),
    checkAgent(status, isRunning, version),
    ...(await checkHub(identity, hubUrl ?? identity.hubUrl, version, clock)),
    ...(await checkBroker(identity, mqttUrl ?? identity.mqttUrl, isRunning ? status : undefined)),
  ]
}

/** 0 where nothing is broken, 3 where no more is than that hub or broker cannot be reached, 1 else. */
export function exitCodeOf(findings: readonly Finding[]): number {
  const faults = findings.filter(({ verdict }) => verdict === 'fault')
  if (faults.length === 0) return 0
  return faults.every(({ check }) => check === 'hub' || check === 'broker') ? 3 : 1
}
