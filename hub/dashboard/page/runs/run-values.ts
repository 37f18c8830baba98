// What a run says, as columns: `metrics.loss`, `params.depth`, `tags.team`. Pure.

import type { components } from '../api-types.d.ts'
import type { Tone } from '../parts/tone.ts'

export type Run = components['schemas']['Run']
export type RunStatus = Run['status']
export type Double = Run['metrics'][string]
export type ColumnKind = 'params' | 'metrics' | 'tags'
/** `kind.key` */
export type ColumnName = `${ColumnKind}.${string}`

const kinds = ['params', 'metrics', 'tags'] as const

export const statuses: Record<RunStatus, { title: string; tone: Tone }> = {
  RUNNING: { title: 'Running', tone: 'busy' },
  SCHEDULED: { title: 'Scheduled', tone: 'idle' },
  FINISHED: { title: 'Finished', tone: 'good' },
  FAILED: { title: 'Failed', tone: 'bad' },
  KILLED: { title: 'Killed', tone: 'warn' },
}

/** Undefined where it names no column. */
export function readColumn(text: string): { kind: ColumnKind; key: string; name: ColumnName } | undefined {
  const at = text.indexOf('.')
  const kind = kinds.find((known) => known === text.slice(0, at))
  const key = text.slice(at + 1)
  return kind === undefined || key === '' ? undefined : { kind, key, name: `${kind}.${key}` }
}

/** Undefined where the run has none. */
export function cellOf(run: Pick<Run, ColumnKind>, column: string): Double | string | undefined {
  const read = readColumn(column)
  return read === undefined ? undefined : run[read.kind][read.key]
}

/** The number in a metric or in the text of a parameter; undefined where there is none. */
export function numberIn(value: Double | string | undefined): number | undefined {
  if (value === undefined || value === '' || (typeof value === 'string' && value.trim() === '')) return undefined
  const number = Number(value)
  return Number.isFinite(number) ? number : undefined
}

const plain = new Intl.NumberFormat('en', { maximumSignificantDigits: 5 })

/** Five significant digits; what is very small or large with a power of ten. */
export function figure(value: Double): string {
  if (typeof value === 'string') return value
  const size = Math.abs(value)
  return size !== 0 && (size < 1e-4 || size >= 1e7) ? value.toExponential(3) : plain.format(value)
}

/** `2 h 5 min` of 7 500 000 ms. */
export function duration(ms: number): string {
  const seconds = Math.round(ms / 1000)
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`
}

export const ranFor = ({ startedAt, endedAt }: Pick<Run, 'startedAt' | 'endedAt'>): string | undefined =>
  startedAt === null || endedAt === null ? undefined : duration(Date.parse(endedAt) - Date.parse(startedAt))

export const runHref = (id: string): string => `/runs/${id}`
export const compareHref = (ids: readonly string[]): string => `/runs/compare?ids=${ids.join()}`
/** The most that the hub puts side by side. */
export const comparedMax = 20
