// `roost rollout watch`: follows a rollout to its end, also through a restart of the hub.

import { setTimeout as delay } from 'node:timers/promises'
import { Option } from 'commander'
import type { z } from 'zod'
import { RolloutDetail } from '../rollouts/documents.ts'
import { type Client, RequestError } from './client.ts'
import type { ConnectionOptions } from './connection.ts'
import { awayStatuses, exitCodes } from './exit-codes.ts'
import { number } from './option-values.ts'
import { legible, legibleJson, time } from './output.ts'
import { stageWord } from './rollout-lines.ts'

const watchEveryMs = 1_000

export type WatchOptions = ConnectionOptions & { patience: number }

/** Both words, since whatever else takes its time has `--wait`. */
export const watching = (): Option =>
  new Option('--wait, --watch', 'follow it until it has ended (exit code 0: completed), or a person must decide (1)')

export const patience = (): Option =>
  new Option('--patience <seconds>', 'how long watching waits for a hub that does not answer')
    .argParser(number)
    .default(300)

/** Prints a line whenever something changes, until the rollout ends or waits for a person, or the hub has not answered
 *  for as long as `patience` lasts; sets the exit code. */
export async function watch(client: Client, id: string, { json = false, patience }: WatchOptions): Promise<void> {
  let last = ''
  let awayAtMs: number | undefined
  for (;;) {
    const detail = await askFor(client, id)
    if (detail instanceof RequestError) {
      if (awayAtMs === undefined) process.stderr.write(`roost: ${detail.message}; trying for ${patience} s\n`)
      awayAtMs ??= performance.now()
      if (performance.now() - awayAtMs >= patience * 1_000) {
        process.stderr.write(`roost: the hub has not answered for ${patience} s; how ${id} goes on is not known\n`)
        process.exitCode = exitCodes.hubAway
        return
      }
    } else {
      if (awayAtMs !== undefined) process.stderr.write('roost: the hub answers again\n')
      awayAtMs = undefined
      const line = json ? legibleJson(JSON.stringify(detail)) : progressLine(detail)
      if (line !== last) process.stdout.write(`${json ? line : `${time(Date.now())}  ${legible(line)}`}\n`)
      last = line
      if (detail.state !== 'running' && detail.state !== 'rolling_back') {
        if (!json) process.stdout.write(`${detail.state}: ${legible(detail.reason)}\n`)
        process.exitCode = detail.state === 'completed' ? exitCodes.done : exitCodes.refused
        return
      }
      if (isHeld(detail)) {
        if (!json) process.stdout.write(`${detail.state}, and waits for ${legible(detail.waits?.for ?? '')}\n`)
        process.exitCode = exitCodes.refused
        return
      }
    }
    await delay(watchEveryMs)
  }
}

type Detail = z.infer<typeof RolloutDetail>

/** Whether nothing goes on before a person lets the next stage begin. */
const isHeld = ({ state, stages, waits }: Detail): boolean =>
  state === 'running' && waits?.until === null && stages.some((stage) => stage.state === 'held')

/** The rollout, or why the hub is away.
 *  @throws RequestError where the hub is there and refuses */
async function askFor(client: Client, id: string): Promise<Detail | RequestError> {
  try {
    return await client.get(`/v1/rollouts/${id}`, RolloutDetail)
  } catch (error) {
    if (error instanceof RequestError && awayStatuses.has(error.status)) return error
    throw error
  }
}

/** `running  canary [passed 1 succeeded]  all [admitting 2 succeeded 1 downloading 3 planned]` */
function progressLine({ state: rollout, stages }: Detail): string {
  const parts = stages.map(({ name, state, devices }) => {
    const counts = Object.entries(devices).map(([word, count]) => `${count} ${word}`)
    return `${name} [${[stageWord(rollout, state), ...counts].join(' ')}]`
  })
  return [rollout, ...parts].join('  ')
}
