// What the hub knows of the gateways, read over its API as anybody can: verdicts, counts by version, labels.

import type { DriftVerdict } from '@roost/shared/drift/verdict.ts'
import { WindowReport } from '@roost/shared/protocol/records.ts'
import { z } from 'zod'
import { type Client, RequestError } from '../../hub/cli/client.ts'
import { DeviceDetail } from '../../hub/fleet/documents.ts'
import { DriftReport } from '../../hub/telemetry/drift/report.ts'
import { Totals, VersionTotals } from '../../hub/telemetry/windows.ts'

const Counts = z.object({ totals: Totals, versions: z.array(VersionTotals) })
export type Counts = z.infer<typeof Counts>

/** What a device or a group has counted since ever, whole and by version. */
export const countsOf = (viewer: Client, kind: 'devices' | 'groups', name: string): Promise<Counts> =>
  viewer.get(`/v1/${kind}/${name}/telemetry?limit=1`, Counts)

/** Undefined before the first report. */
export async function driftOf(
  viewer: Client,
  kind: 'devices' | 'groups',
  name: string,
): Promise<DriftReport | undefined> {
  try {
    return await viewer.get(`/v1/${kind}/${name}/drift`, DriftReport)
  } catch (error) {
    if (error instanceof RequestError && error.status === 404) return undefined
    throw error
  }
}

const DriftEvent = z.looseObject({
  event: z.literal('drift'),
  at: z.iso.datetime(),
  body: z.looseObject({ verdict: z.looseObject({ state: z.literal('drifted') }) }),
})

/** When the device itself said, by its own clock, that its data has drifted; undefined where it has not. */
export async function driftReportedAt(viewer: Client, device: string): Promise<string | undefined> {
  const path = `/v1/devices/${device}/events?limit=100`
  const page = await viewer.get(path, z.object({ events: z.array(z.looseObject({})) }))
  const found = page.events.map((event) => DriftEvent.safeParse(event).data).filter((event) => event !== undefined)
  return found.at(-1)?.at
}

/** The version that serves on each device by its own word; undefined where none does. */
export async function servingVersions(
  viewer: Client,
  devices: readonly string[],
): Promise<Map<string, number | undefined>> {
  const details = await Promise.all(devices.map((device) => viewer.get(`/v1/devices/${device}`, DeviceDetail)))
  return new Map(details.map(({ id, reported }) => [id, reported.find(({ running }) => running)?.version ?? undefined]))
}

export const isConnected = async (viewer: Client, device: string): Promise<boolean> =>
  (await viewer.get(`/v1/devices/${device}`, DeviceDetail)).connected

/** The newest window reports that came since then, hub clock; at most one page of them. */
export async function windowsSince(viewer: Client, device: string, sinceMs: number): Promise<WindowReport[]> {
  const path = `/v1/devices/${device}/telemetry?limit=200&since=${new Date(sinceMs).toISOString()}`
  const page = await viewer.get(path, z.object({ windows: z.array(z.object({ report: WindowReport })) }))
  return page.windows.map(({ report }) => report)
}

/** "temperature up by 1.9 sd, spread of humidity down by 2.2 sigma": what moved most, each column once. */
export function movementsText({ movements }: DriftVerdict, most: number): string {
  const strongest = [...Map.groupBy(movements, ({ column }) => column).values()].flatMap(([first]) => first ?? [])
  const named = strongest.slice(0, most).map(({ column, chart, direction, size }) => {
    const [what, unit] = chart === 'place' ? [column, 'sd'] : [`${chart} of ${column}`, 'sigma']
    return `${what} ${direction} by ${size.toFixed(1)} ${unit}`
  })
  return named.join(', ')
}

export type LabelTotals = Pick<
  z.infer<typeof Totals>,
  'truePositive' | 'falsePositive' | 'trueNegative' | 'falseNegative'
>

/** Of 1,000 readings without an event, how many were called one. */
export function falseAlarmsPerThousand({ falsePositive, trueNegative }: LabelTotals): number {
  const quiet = falsePositive + trueNegative
  return quiet === 0 ? 0 : (falsePositive / quiet) * 1000
}
