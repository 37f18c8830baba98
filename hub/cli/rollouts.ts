// `roost rollout …`: start a rollout, watch it move, and step in.

import type { Command } from 'commander'
import { z } from 'zod'
import { withNames } from '../governance/token-names.ts'
import { Decision, Member, Rollout, RolloutDetail } from '../rollouts/documents.ts'
import { Explanation } from '../rollouts/evidence/explain.ts'
import { type ConnectionOptions, connect, connected } from './connection.ts'
import { decisionWords } from './decision-words.ts'
import { wholeNumber } from './option-values.ts'
import { table, time } from './output.ts'
import { andMore, readPages } from './pages.ts'
import { detailLines } from './rollout-lines.ts'
import { addApprovals, addOperations } from './rollout-operations.ts'
import { addPlan, addStart } from './rollout-start.ts'
import { patience, type WatchOptions, watch } from './watch.ts'

export const Rollouts = z.object({ rollouts: z.array(Rollout), next: z.string().nullable() })
export function addRolloutCommands(program: Command): void {
  const rollout = program
    .command('rollout')
    .alias('rollouts')
    .description('bring a version to a group, in stages, behind gates')

  addStart(rollout)
  addPlan(rollout)

  connected(rollout.command('list'))
    .description('rollouts, newest first')
    .option('--limit <number>', 'how many', wholeNumber, 50)
    .action(async (options: ConnectionOptions & { limit: number }) => {
      const { client, output } = connect(options)
      const listed = await readPages(client, '/v1/rollouts', Rollouts, ({ rollouts }) => rollouts, options.limit)
      const rows = listed.items.map((row) => [
        row.id,
        `${row.model} ${row.version}`,
        row.group,
        row.state,
        time(Date.parse(row.createdAt)),
      ])
      output.print({ rollouts: listed.items }, [
        ...table(['rollout', 'version', 'group', 'state', 'started'], rows),
        ...andMore(listed, 'older ones with --limit'),
      ])
    })

  connected(rollout.command('show <id>'))
    .description('one rollout: its stages, the verdicts so far, what it waits for and until when')
    .action(async (id: string, options: ConnectionOptions) => {
      const { client, output } = connect(options)
      const found = await client.get(`/v1/rollouts/${id}`, RolloutDetail)
      output.print(found, detailLines(found))
    })

  connected(rollout.command('watch <id>'))
    .description('follow a rollout to its end; exit code 1 unless it completes, 3 where the hub stays away')
    .addOption(patience())
    .action(async (id: string, options: WatchOptions) => {
      const { client } = connect(options)
      await watch(client, id, options)
    })

  connected(rollout.command('devices <id>'))
    .description('which devices are in which stage, and how far they are')
    .action(async (id: string, options: ConnectionOptions) => {
      const { client, output } = connect(options)
      const page = await client.get(`/v1/rollouts/${id}/devices`, z.object({ devices: z.array(Member) }))
      const rows = page.devices.map((row) => [
        row.device,
        row.stage,
        row.role,
        row.state,
        row.leftOut ?? reasonWords(row),
        row.attempt,
        row.stratum,
      ])
      output.print(page, table(['device', 'stage', 'as', 'state', 'reason', 'attempt', 'drawn within'], rows))
    })

  connected(rollout.command('explain <id>'))
    .description('its story in sentences: who, which devices, why each stage passed or failed, what it waits for')
    .action(async (id: string, options: ConnectionOptions) => {
      const { client, output } = connect(options)
      const story = await client.get(`/v1/rollouts/${id}/explanation`, Explanation)
      output.print(
        story,
        story.sentences.map(({ at, text }) => (at === null ? text : `${time(Date.parse(at))}  ${text}`)),
      )
    })

  connected(rollout.command('history <id>'))
    .description('every decision, by whom, and what it was based on; --json has every number')
    .action(async (id: string, options: ConnectionOptions) => {
      const { client, output } = connect(options)
      const page = await client.get(`/v1/rollouts/${id}/decisions`, z.object({ decisions: z.array(Decision) }))
      const { stages } = await client.get(`/v1/rollouts/${id}`, RolloutDetail)
      const names = new Map(
        page.decisions.flatMap(({ actor, name }) => (name === null ? [] : [[actor, name] as const])),
      )
      const rows = page.decisions.map((row) => [
        time(Date.parse(row.at)),
        withNames(row.actor, names),
        row.action,
        withNames(decisionWords(row, stages), names),
      ])
      output.print(page, table(['at', 'by', 'what', 'why'], rows))
    })

  addOperations(rollout)
  addApprovals(rollout)
}

/** Why a device has not got it: in one word, in the device's own words, and whether somebody has gone on from it. */
export const reasonWords = ({ reason, detail, acknowledged }: z.infer<typeof Member>): string =>
  [[reason, detail].filter((word) => word !== null).join(': '), ...(acknowledged ? ['(seen)'] : [])].join(' ').trim()
