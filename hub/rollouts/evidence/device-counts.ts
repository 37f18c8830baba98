// The devices of a rollout as a look sees them: their rows, what is added up of their reports, and how long they have been
// silent, put together. Pure.

import type { ColumnScale } from '@roost/shared/sketch/column.ts'
import type { StageMode } from '../plan/plan.ts'
import { type DeviceView, roleAt } from '../states.ts'
import type { MemberRow } from '../store.ts'
import { addCounts } from './add-up.ts'
import type { AgreementBlock, Counts, DeviceCounts } from './counts.ts'
import { rescale } from './rescale.ts'
import { onSlotsOf, type Slots, slotMsFor } from './slots.ts'
import type { Tally } from './tally.ts'

/** By column. */
export type Scales = Record<string, ColumnScale>

export type DeviceReports = {
  tally: Tally | null
  past: Counts | null
  suspect: string | null
  /** When it was last heard of by a window, and seen connected; hub clock. */
  heardAt: number | null
  seenAt: number | null
}

export type StageTime = {
  index: number
  mode: StageMode
  /** When it began to admit, hub clock. */
  sinceMs: number
  nowMs: number
  /** Since when the hub has listened without a break. */
  listeningSince: number
  /** Of outputs, by bundle. */
  scales: ReadonlyMap<string, Scales>
  /** Windows before the rollout by device, in slots counted back from its start: where it has few devices. */
  pastSlots?: ((slotMs: number) => ReadonlyMap<string, (Counts | null)[]>) | undefined
}

export type Member = Pick<MemberRow, 'device' | 'stratum' | 'standing' | 'target' | 'previous'>

/** In the order of `views`. */
export function deviceCounts(
  views: readonly DeviceView[],
  members: ReadonlyMap<string, Member>,
  reports: ReadonlyMap<string, DeviceReports>,
  time: StageTime,
): DeviceCounts[] {
  const slotMs = commonSlotMs([...reports.values()], time)
  const pastSlots = time.pastSlots?.(slotMs)
  return views.flatMap((view): DeviceCounts[] => {
    const member = members.get(view.device)
    if (member === undefined) return []
    const report = reports.get(view.device) ?? noReports
    const { suspect, tally } = report
    const assigned = view.offeredAt !== null && roleAt(view, time.index) !== undefined
    const treated = assigned && view.role === roleAt(view, time.index)
    const rescaled = onOldScale(member, time.scales)
    const part = !treated ? 'previous' : time.mode === 'shadow' ? 'shadow' : 'target'
    const shadow = treated && tally !== null ? blocksOf(tally.agreement, time.sinceMs) : []
    const before = report.past
    return [
      {
        device: view.device,
        stratum: `${member.stratum}/${member.standing}`,
        stage: view.stage,
        treated,
        since: known(tally === null ? null : rescaled(part, tally[part])),
        before,
        ...(pastSlots === undefined
          ? {}
          : {
              blocks: {
                before: pastSlots.get(view.device) ?? [],
                since: sinceSlots(tally, part, slotMs, time).map((slot) =>
                  slot === null ? null : rescaled(part, slot),
                ),
              },
            }),
        ...(shadow.length > 0 ? { shadow } : {}),
        ...(suspect === null ? {} : { suspect }),
        assigned,
        silentForMs: silentFor(view, report, time),
      },
    ]
  })
}

const noReports: DeviceReports = { tally: null, past: null, suspect: null, heardAt: null, seenAt: null }

const known = (counts: Counts | null) => (counts === null || counts.windows === 0 ? null : counts)

type Part = 'target' | 'previous' | 'shadow'

/** Brings distributions of the new version onto the old one's scale; a column that cannot be is left out. */
function onOldScale({ target, previous }: Member, scales: ReadonlyMap<string, Scales>) {
  const from = scales.get(target) ?? {}
  const to = scales.get(previous ?? '') ?? {}
  return (part: Part, counts: Counts): Counts => {
    if (part === 'previous' || counts.outputs === undefined) return counts
    const outputs = Object.entries(counts.outputs).flatMap(([name, column]) => {
      const [a, b] = [ownOf(from, name), ownOf(to, name)]
      const moved = a === undefined || b === undefined ? undefined : rescale(column, a, b)
      return moved === undefined ? [] : [[name, moved] as const]
    })
    return { ...counts, outputs: Object.fromEntries(outputs) }
  }
}

const ownOf = (scales: Scales, name: string) => (Object.hasOwn(scales, name) ? scales[name] : undefined)

/** Slots long enough for a window of any of the devices, and few enough for the stage so far. */
function commonSlotMs(reports: readonly DeviceReports[], { sinceMs, nowMs }: StageTime): number {
  const windows = reports.flatMap(({ tally }) => (tally === null || tally.windowMs === 0 ? [] : [tally.windowMs]))
  const median = windows.sort((a, b) => a - b)[Math.floor(windows.length / 2)] ?? 0
  return slotMsFor(median, nowMs - sinceMs)
}

/** Without the slot that is not over yet, unless it is the only one. */
function sinceSlots(tally: Tally | null, part: Part, slotMs: number, { sinceMs, nowMs }: StageTime): (Counts | null)[] {
  const slots: Slots<Counts> | undefined = part === 'shadow' ? undefined : tally?.blocks?.[part]
  if (slots === undefined) return []
  return onSlotsOf(slots, slotMs, addCounts).values.slice(0, Math.max(1, Math.floor((nowMs - sinceMs) / slotMs)))
}

const blocksOf = (slots: Tally['agreement'], sinceMs: number): AgreementBlock[] =>
  slots.values.flatMap((agreement, i) => (agreement === null ? [] : [{ from: sinceMs + i * slots.slotMs, agreement }]))

/** Presence is written once a minute. */
const seenEveryMs = 60_000

/** Whoever was away already when the stage began says nothing of it. */
function silentFor(
  { online }: DeviceView,
  { heardAt, seenAt }: DeviceReports,
  { sinceMs, nowMs, listeningSince }: StageTime,
): number | null {
  if (online) return 0
  const lastWord = Math.max(heardAt ?? 0, seenAt ?? 0)
  if (lastWord < sinceMs - seenEveryMs) return null
  return Math.max(0, nowMs - Math.max(lastWord, listeningSince))
}
