// Drift over time: what each column measured in each step, and what the verdict said after it.

import { z } from '@hono/zod-openapi'
import type { Charts } from '@roost/shared/drift/charts.ts'
import { eachMeasure, type MeasureName, measureAgainst } from '@roost/shared/drift/measures.ts'
import { DriftVerdict, Movement, movementsMax } from '@roost/shared/drift/verdict.ts'
import type { ColumnCounts } from '@roost/shared/sketch/column.ts'
import type { Reader } from '../../storage/database.ts'
import { totalsByVersion, type WindowFilter } from '../windows.ts'
import type { Yardstick, Yardsticks } from './bundle.ts'
import { drawDevices } from './draw-devices.ts'
import { judgeStretches, notJudged } from './judge.ts'
import { LabelSums, sumLabels } from './labels.ts'
import { type CountedWindow, devicesReadMax, readWindows } from './read-windows.ts'
import { backMs } from './report.ts'
import { SaidDrifted, saidDrifted } from './said.ts'
import { pooled, type Range, type Steps, stepFor, stepsMax, stepsOver, windowsByStep } from './time-steps.ts'
import { type Watched, watchedBundle } from './watched.ts'

/** Columns that are told; of more, those that moved and those that are furthest from their baseline. */
export const columnsMax = 64

const Step = z.object({
  from: z.iso.datetime(),
  windows: z.number().int(),
  devices: z.number().int(),
  /** Null where no window tells. */
  verdict: z
    .object({
      state: DriftVerdict.shape.state,
      evidence: z.number(),
      /** What carried the evidence, strongest first; empty while healthy. */
      movements: z.array(Movement).max(movementsMax),
    })
    .nullable(),
  /** Of predictions whose label has come. */
  labels: LabelSums,
})

const HeatColumn = z.object({
  column: z.string(),
  kind: z.enum(['feature', 'output']),
  /** An element a step. Null: no window, or too few rows. */
  ...eachMeasure(() => z.array(z.number().nullable())),
  /** Rows with a value, and without. */
  present: z.array(z.number().int()),
  missing: z.array(z.number().int()),
  /** Of the present rows those below or above all of the baseline, or in no category of it. */
  outside: z.array(z.number().int()),
})

export const DriftHeatMap = z
  .object({
    model: z.string(),
    version: z.number().int(),
    manifest: z.string(),
    /** `ran`: have reported of the bundle; `read`: looked at. */
    devices: z.object({ ran: z.number().int(), read: z.number().int() }),
    windows: z.number().int(),
    /** Whether there were more windows than were looked at; they are an even sample then. */
    isSample: z.boolean(),
    from: z.iso.datetime(),
    to: z.iso.datetime(),
    stepSeconds: z.number(),
    /** After the last window. */
    verdict: DriftVerdict,
    steps: z.array(Step),
    columns: z.array(HeatColumn),
    /** Columns that are not told. */
    columnsLeftOut: z.number().int(),
    /** Which devices say of themselves that they drifted, of all that ran it. */
    said: SaidDrifted,
    /** What else has run, newest version first. */
    versions: z.array(
      z.object({ model: z.string(), version: z.number().int(), deployment: z.string(), devices: z.number().int() }),
    ),
  })
  .openapi('DriftHeatMap')
export type DriftHeatMap = z.infer<typeof DriftHeatMap>
type HeatColumn = z.infer<typeof HeatColumn>

export type HeatMapAsked = { fromMs: number | undefined; toMs: number | undefined; stepMs: number | undefined }

/** Undefined where no window of a bundle with a baseline is there. */
export async function driftHeatMap(
  reader: Reader,
  yardsticks: Yardsticks,
  filter: WindowFilter,
  asked: HeatMapAsked,
): Promise<DriftHeatMap | 'too-many-steps' | undefined> {
  const watched = await watchedBundle(reader, yardsticks, filter)
  if (watched === undefined) return undefined
  const { manifest, model, version, yardstick, ran } = watched
  const devices = drawDevices(ran, manifest, devicesReadMax)
  const range = rangeOf(watched, asked)
  const { windows, isSample } = await readWindows(
    reader,
    yardstick,
    { manifest, deployment: filter.deployment, devices },
    range,
  )
  const steps = stepsOf(windows, range, asked)
  if (steps.count > stepsMax) return 'too-many-steps'
  const { last, verdicts } = judgeSteps(yardstick.charts, windows, steps)
  const byStep = windowsByStep(windows, steps)
  const { columns, columnsLeftOut } = heatColumns(yardstick, byStep, last)
  return {
    model,
    version,
    manifest,
    devices: { ran: ran.length, read: devices.length },
    windows: windows.length,
    isSample,
    from: new Date(steps.fromMs).toISOString(),
    to: new Date(steps.fromMs + steps.count * steps.stepMs).toISOString(),
    stepSeconds: steps.stepMs / 1_000,
    verdict: last,
    steps: byStep.map((ofStep, n) => ({
      from: new Date(steps.fromMs + n * steps.stepMs).toISOString(),
      windows: ofStep.length,
      devices: new Set(ofStep.map(({ device }) => device)).size,
      verdict: verdicts[n] ?? null,
      labels: sumLabels(ofStep.map(({ report }) => report.labels)),
    })),
    columns,
    columnsLeftOut,
    said: await saidDrifted(reader, ran, manifest),
    versions: (await totalsByVersion(reader, anyVersion(filter))).map(({ model, version, deployment, devices }) => ({
      model,
      version,
      deployment,
      devices,
    })),
  }
}

const anyVersion = ({ version: _, deployment: __, ...filter }: WindowFilter): WindowFilter => filter

/** What was asked for; otherwise up to the newest window, from when the bundle was made, at most a week back. */
function rangeOf({ newestMs, yardstick }: Watched, { fromMs, toMs }: HeatMapAsked): Range {
  const to = toMs ?? newestMs + 1
  return { fromMs: fromMs ?? Math.max(to - backMs, Math.min(yardstick.madeMs, to - 1)), toMs: to }
}

/** Nobody having said from or to when, the picture begins and ends with the windows. */
function stepsOf(windows: readonly CountedWindow[], range: Range, { fromMs, toMs, stepMs }: HeatMapAsked): Steps {
  const first = windows[0]?.fromMs ?? range.fromMs
  const last = windows.at(-1)?.fromMs ?? range.toMs - 1
  const covered = { fromMs: fromMs ?? first, toMs: toMs ?? last + 1 }
  const lengths = windows.map((window) => window.toMs - window.fromMs).sort((a, b) => a - b)
  return stepsOver(covered, stepMs ?? stepFor(covered, lengths[lengths.length >> 1] ?? 0))
}

type StepVerdict = z.infer<typeof Step>['verdict']

/** The verdict as it stood in each step: stretches are judged as everywhere, each belongs to the step it begins in. */
export function judgeSteps(
  charts: Charts,
  windows: readonly CountedWindow[],
  steps: Steps,
): { last: DriftVerdict; verdicts: StepVerdict[] } {
  const judged = judgeStretches(charts, windows)
  const verdicts = windowsByStep(windows, steps).map((ofStep, n): StepVerdict => {
    const endMs = steps.fromMs + (n + 1) * steps.stepMs
    const verdict = judged.findLast(({ fromMs }) => fromMs < endMs)?.verdict
    if (ofStep.length === 0 || verdict === undefined) return null
    return { state: verdict.state, evidence: verdict.evidence, movements: verdict.movements }
  })
  return { last: judged.at(-1)?.verdict ?? notJudged, verdicts }
}

function heatColumns(
  yardstick: Yardstick,
  byStep: readonly (readonly CountedWindow[])[],
  { movements }: DriftVerdict,
): { columns: HeatColumn[]; columnsLeftOut: number } {
  const sums = byStep.map((windows) => pooled(windows))
  const moved = new Set(movements.map(({ column }) => column))
  const all = Object.keys(yardstick.baseline.columns)
    .filter((name) => sums.some((step) => step.has(name)))
    .map((name) => heatColumn(yardstick, name, sums))
  const told = new Set(
    all
      .map((column) => ({ column, rank: moved.has(column.column) ? 2 : furthest(column.jensenShannon) }))
      .sort((a, b) => b.rank - a.rank)
      .slice(0, columnsMax)
      .map(({ column }) => column),
  )
  return { columns: all.filter((column) => told.has(column)), columnsLeftOut: all.length - told.size }
}

const furthest = (values: readonly (number | null)[]) => Math.max(0, ...values.map((value) => value ?? 0))

function heatColumn(
  { baseline, references }: Yardstick,
  name: string,
  sums: readonly ReadonlyMap<string, ColumnCounts>[],
): HeatColumn {
  const known = baseline.columns[name]
  if (known === undefined) throw new Error(`the baseline has no column ${name}`)
  const counts = sums.map((step) => step.get(name))
  const measured = counts.map((step) => step && measureAgainst(known, references.get(name) ?? [], step))
  const each = (measure: MeasureName) => measured.map((step) => rounded(step?.[measure] ?? null))
  return {
    column: name,
    kind: known.kind,
    ...eachMeasure(each),
    present: counts.map((step) => (step === undefined ? 0 : sumOf(step.bins))),
    missing: counts.map((step) => step?.missing ?? 0),
    outside: counts.map((step) => (step === undefined ? 0 : outsideOf(known.scale.type, step.bins))),
  }
}

/** Four digits are more than a picture shows. */
const rounded = (value: number | null) => (value === null ? null : Number(value.toPrecision(4)))

/** A device may claim what it likes: sums end where whole numbers do. */
const sumOf = (bins: readonly number[]) =>
  Math.min(
    bins.reduce((total, count) => total + count, 0),
    Number.MAX_SAFE_INTEGER,
  )

/** Below the first edge and above the last, or in no category that the baseline has. */
export function outsideOf(type: 'numeric' | 'categorical', bins: readonly number[]): number {
  const last = bins.at(-1) ?? 0
  return type === 'categorical' ? last : sumOf([bins[0] ?? 0, last])
}
