// Starting a rollout and following it to its end, telling how each stage and each gate went as soon as it is known.

import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import type { Client } from '../../hub/cli/client.ts'
import { Member, RolloutDetail } from '../../hub/rollouts/documents.ts'
import { model } from './versions.ts'
import { DemoError, until } from './waiting.ts'

export type Rollout = z.infer<typeof RolloutDetail>
export type RolloutMember = z.infer<typeof Member>

/** Three stages, each until its gates are sure; on a machine that is busy with other things as well. */
const rolloutMsMax = 120_000

/** @param plan a file beside this one */
export async function startRollout(operator: Client, version: number, group: string, plan: string): Promise<Rollout> {
  const text = await readFile(new URL(`plans/${plan}.json`, import.meta.url), 'utf8')
  return operator.send('POST', '/v1/rollouts', { model, version, group, plan: JSON.parse(text) }, RolloutDetail)
}

export type Following = {
  signal: AbortSignal
  say: (text: string) => void
  /** Looked at whenever the rollout was. */
  onLook?: (rollout: Rollout) => void | Promise<void>
}

/** Resolves when the rollout is in state `end`.
 *  @throws DemoError where it ends otherwise, or not in time */
export async function followRollout(
  viewer: Client,
  id: string,
  end: Rollout['state'],
  following: Following,
): Promise<Rollout> {
  const told = new Set<string>()
  let last: Rollout | undefined
  const wait = {
    what: `rollout ${id} is ${end}`,
    timeoutMs: rolloutMsMax,
    signal: following.signal,
    instead: () => (last === undefined ? 'it was never seen' : `it is ${progressOf(last)}`),
    logOf: 'hub',
  }
  return until(wait, async () => {
    const rollout = await viewer.get(`/v1/rollouts/${id}`, RolloutDetail)
    last = rollout
    tellStages(rollout, told, following.say)
    await following.onLook?.(rollout)
    if (rollout.state === end) return rollout
    if (rollout.state === 'running' || rollout.state === 'rolling_back') return undefined
    throw new DemoError(`rollout ${id} is ${rollout.state}, ${end} was to come: ${rollout.reason}`, 'hub')
  })
}

export async function membersOf(viewer: Client, id: string): Promise<RolloutMember[]> {
  const page = await viewer.get(`/v1/rollouts/${id}/devices`, z.object({ devices: z.array(Member) }))
  return page.devices
}

/** Each stage that has ended once, with the sentences of its verdict. */
function tellStages({ stages }: Rollout, told: Set<string>, say: (text: string) => void): void {
  for (const stage of stages) {
    if (stage.endedAt === null || told.has(stage.name)) continue
    told.add(stage.name)
    const gateways = Object.values(stage.devices).reduce((sum, number) => sum + number, 0)
    say(`Stage ${stage.name}, ${gateways} ${gateways === 1 ? 'gateway' : 'gateways'}, ${stage.state}:`)
    for (const gate of stage.verdict?.gates ?? []) say(`  ${gate.outcome}  ${gate.metric}: ${gate.sentence}`)
  }
}

function progressOf({ state, stages }: Rollout): string {
  const parts = stages.map(({ name, state, devices, verdict }) => {
    const counts = Object.entries(devices).map(([word, number]) => `${number} ${word}`)
    const undecided = (verdict?.gates ?? []).filter(({ outcome }) => outcome !== 'pass').map(({ sentence }) => sentence)
    return `${name} ${[state, ...counts, ...undecided].join(' ')}`
  })
  return `${state} (${parts.join('; ')})`
}
