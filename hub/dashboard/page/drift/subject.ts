// What the page is about, as the address says it, and the questions it asks the hub about that.

import type { MeasureName } from '@roost/shared/drift/measures.ts'
import { answer, api } from '../api.ts'
import type { components } from '../api-types.d.ts'

export const kinds = ['model', 'group', 'device'] as const
export type Kind = (typeof kinds)[number]
export type Subject = { kind: Kind; name: string }
export type HeatMap = components['schemas']['DriftHeatMap']
export type Movement = HeatMap['verdict']['movements'][number]

/** What narrows the question; what is undefined does not. */
export type Narrowed = { model?: string; version?: number; deployment?: string }

/** The narrowest that the address names; undefined where it names none. */
export function subjectOf({ searchParams }: URL): Subject | undefined {
  for (const kind of ['device', 'group', 'model'] as const) {
    const name = searchParams.get(kind)
    if (name !== null && name !== '') return { kind, name }
  }
  return undefined
}

export function narrowedBy({ searchParams }: URL, { kind }: Subject): Narrowed {
  const [model, deployment] = [searchParams.get('model'), searchParams.get('deployment')]
  const version = Number(searchParams.get('version'))
  return {
    ...(model !== null && model !== '' && kind !== 'model' && { model }),
    ...(Number.isSafeInteger(version) && version > 0 && { version }),
    ...(deployment !== null && deployment !== '' && { deployment }),
  }
}

type Stretch = { from: string; to: string }

export function heatMapOf({ kind, name: id }: Subject, query: Narrowed & Partial<Stretch>, signal: AbortSignal) {
  const asked = { params: { path: { id }, query }, signal }
  if (kind === 'device') return answer(api.GET('/v1/devices/{id}/drift/heat-map', asked))
  if (kind === 'group') return answer(api.GET('/v1/groups/{id}/drift/heat-map', asked))
  return answer(api.GET('/v1/models/{id}/drift/heat-map', asked))
}

export function distributionsOf({ kind, name: id }: Subject, query: Narrowed & Stretch, signal: AbortSignal) {
  const asked = { params: { path: { id }, query }, signal }
  if (kind === 'device') return answer(api.GET('/v1/devices/{id}/drift', asked))
  if (kind === 'group') return answer(api.GET('/v1/groups/{id}/drift', asked))
  return answer(api.GET('/v1/models/{id}/drift', asked))
}

export function devicesOf(
  { kind, name: id }: Subject,
  query: Narrowed & Stretch & { column: string; measure: MeasureName },
  signal: AbortSignal,
) {
  const asked = { params: { path: { id }, query }, signal }
  if (kind === 'device') return answer(api.GET('/v1/devices/{id}/drift/devices', asked))
  if (kind === 'group') return answer(api.GET('/v1/groups/{id}/drift/devices', asked))
  return answer(api.GET('/v1/models/{id}/drift/devices', asked))
}
