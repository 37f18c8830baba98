// What devices themselves say of why they failed or refused it, beside the reason's one word.

import { z } from 'zod'
import type { Reader } from '../storage/database.ts'
import { counted } from '../wording.ts'
import { deathsIn } from './deaths.ts'
import type { RolloutRow } from './store.ts'

const Said = z.object({ device: z.string(), detail: z.string() })

/** By device, of the present attempt, where it ended badly.
 *  @param nowMs hub clock */
export async function failureDetails(
  reader: Reader,
  row: Pick<RolloutRow, 'id' | 'started_at'>,
  nowMs: number,
): Promise<Map<string, string>> {
  const said = await reader.all(
    Said,
    `SELECT m.device, r.detail FROM rollout_devices m
     JOIN device_deployments r ON r.device = m.device AND r.deployment = m.deployment
       AND r.manifest = m.target AND r.attempt = m.attempt
     WHERE m.rollout = ? AND m.reason IS NOT NULL AND r.detail IS NOT NULL AND r.state = m.state`,
    [row.id],
  )
  const dying = await reader.all(
    z.object({ device: z.string() }),
    `SELECT m.device FROM rollout_devices m
     JOIN device_deployments r ON r.device = m.device AND r.deployment = m.deployment
       AND r.manifest = m.target AND r.attempt = m.attempt
     WHERE m.rollout = ? AND m.state = 'failed' AND m.reason = 'crash' AND r.state IN ('succeeded', 'already_current')`,
    [row.id],
  )
  const deaths = dying.length === 0 ? [] : await deathsIn(reader, row, nowMs)
  const counts = new Map(deaths.map(({ device, target }) => [device, target]))
  return new Map([
    ...said.map(({ device, detail }): [string, string] => [device, detail]),
    ...dying.map(({ device }): [string, string] => [
      device,
      `it was installed, and died ${counted(counts.get(device) ?? 0, 'time')} while it served`,
    ]),
  ])
}
