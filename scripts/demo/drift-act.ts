// The act in which v1 meets the outdoors: the devices say that their data has drifted, the hub names what moved, and the
// labels of the recording show what it costs.

import { time } from '../../hub/cli/output.ts'
import { gateways } from './gateways.ts'
import { count, listed } from './narration.ts'
import type { Scene } from './story.ts'
import { model } from './versions.ts'
import { until } from './waiting.ts'
import { type Counts, countsOf, driftOf, driftReportedAt, falseAlarmsPerThousand, movementsText } from './watching.ts'

/** Long enough for the recorded afternoon to come at the pace of the replay. */
const driftMsMax = 45_000
/** Each gateway outdoors has gone so far into the recording before its false alarms are looked at. */
const readingsMin = 1_500

export async function outdoorsDrifts(scene: Scene): Promise<void> {
  const { narration, operator } = scene
  const outdoor = gateways.filter(({ site }) => site === 'outdoor').map(({ name }) => name)
  const said = new Set<string>()
  const wait = {
    what: `${listed(outdoor)} report drift`,
    timeoutMs: driftMsMax,
    signal: scene.signal,
    instead: () => (said.size === 0 ? 'none has' : `only ${listed([...said])} did`),
    logOf: 'hub',
  }
  await until(wait, async () => {
    let readings = Number.POSITIVE_INFINITY
    for (const name of outdoor) {
      readings = Math.min(readings, (await countsOf(operator, 'devices', name)).totals.ok)
      if (said.has(name)) continue
      const at = await driftReportedAt(operator, name)
      if (at === undefined) continue
      said.add(name)
      narration.say(`${name} has reported drift at ${at.slice(11, 19)} (UTC).`)
    }
    return said.size === outdoor.length && readings >= readingsMin ? true : undefined
  })
  await tellVerdicts(scene)
  narration.say('What that costs, by the labels of the recording, on the readings so far:')
  await tellLabels(scene)
}

/** The hub's own verdict over the reports of each gateway. */
async function tellVerdicts({ narration, operator }: Scene): Promise<void> {
  const rows = await Promise.all(
    gateways.map(async ({ name, mote }) => {
      const report = await driftOf(operator, 'devices', name)
      if (report === undefined) return [name, mote, '', 'no report yet', '', '']
      const { state, since } = report.verdict
      return [name, mote, report.windows, state, time(since).slice(11), movementsText(report.verdict, 1)]
    }),
  )
  narration.say('The hub comes to the same from their window reports, and says what moved and since when (UTC):')
  narration.table(['gateway', 'mote', 'windows', 'verdict', 'since', 'what moved most'], rows)
}

/** The verdict over all gateways outdoors, on the newest version they ran. */
export async function tellOutdoors({ narration, operator }: Scene): Promise<void> {
  const report = await driftOf(operator, 'groups', 'outdoor')
  if (report === undefined) return
  const { version, windows, verdict } = report
  narration.say(
    `Drift outdoors, against what v${version} was trained on: ${verdict.state}, by ${count(windows)} windows of all three.`,
  )
}

/** A row for each site and version that has run there. */
export async function tellLabels({ narration, operator }: Pick<Scene, 'narration' | 'operator'>): Promise<void> {
  const bySite = await Promise.all(
    (['indoor', 'outdoor'] as const).map(async (site) => rowsOf(site, await countsOf(operator, 'groups', site))),
  )
  narration.table(
    ['site', 'version', 'labelled readings', 'events found', 'missed', 'false alarms', 'in 1,000 quiet readings'],
    bySite.flat(),
  )
}

const rowsOf = (site: string, { versions }: Counts) =>
  versions
    .filter((row) => row.model === model)
    .sort((a, b) => a.version - b.version)
    .map((row) => {
      const { truePositive, falseNegative, falsePositive, trueNegative } = row
      const labelled = truePositive + falseNegative + falsePositive + trueNegative
      const share = falseAlarmsPerThousand(row).toFixed(1)
      return [site, `v${row.version}`, count(labelled), truePositive, falseNegative, count(falsePositive), share]
    })
