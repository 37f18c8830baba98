// One line of a device's timeline: what happened, of what kind, and how bad it is. Pure.

import type { ProgressState } from '@roost/shared/protocol/progress.ts'
import { DeviceEvent, Gap } from '@roost/shared/protocol/records.ts'
import { z } from 'zod'
import { type Actor, actorPart, type Bundle, type Part, versionPart } from './reason.ts'

export const timelineKinds = ['assignment', 'progress', 'drift', 'trouble', 'agent', 'change'] as const
/** `assignment`: what is wanted changed; `progress`: how far an installation is; `trouble`: what went wrong on the device
 *  besides; `agent`: it started, lost the hub, found it again; `change`: what people changed about the device. */
export type TimelineKind = (typeof timelineKinds)[number]
export type Tone = 'good' | 'warn' | 'bad' | 'idle' | 'busy'
export type Line = { kind: TimelineKind; what: string; tone: Tone; parts: Part[] }

/** Events that each kind has; and actions of the audit log. */
export const eventsOf: Readonly<Record<TimelineKind, readonly string[]>> = {
  assignment: [],
  progress: ['progress'],
  drift: ['drift'],
  trouble: ['refused', 'runtime_died', 'patch_failed', 'gap', 'unreadable'],
  agent: ['started', 'stale', 'fresh'],
  change: [],
}
export const actionsOf: Readonly<Record<TimelineKind, readonly string[]>> = {
  assignment: ['device.desire', 'device.withdraw', 'device.retry'],
  progress: [],
  drift: [],
  trouble: [],
  agent: [],
  change: [
    'device.enrol',
    'device.enrol-again',
    'device.label',
    'device.command',
    'device.revoke',
    'device.rotate-secret',
  ],
}

const kindOf = (table: typeof eventsOf, name: string): TimelineKind | undefined =>
  timelineKinds.find((kind) => table[kind].includes(name))

/** `bundle`: what the registry knows of a digest; undefined: who asks may not know of it. */
export type Naming = { bundle: (manifest: string) => Bundle | undefined; actor: (text: string) => Actor }

/** Of what a device told. */
export function eventLine(event: string, body: unknown, { bundle }: Naming): Line {
  const kind = kindOf(eventsOf, event) ?? 'trouble'
  const gap = Gap.safeParse(body)
  if (gap.success) {
    const { records, inferences, reason } = gap.data
    const why = reason === 'outbox_full' ? 'its outbox was full' : 'its outbox was damaged'
    return line(kind, event, 'bad', `${records} reports were lost with ${inferences} inferences: ${why}`)
  }
  const known = DeviceEvent.safeParse(body)
  if (!known.success) return line(kind, event, 'warn', detailOf(body) ?? event.replaceAll('_', ' '))
  const told = known.data
  switch (told.event) {
    case 'progress': {
      const { state, reason, detail, deployment, attempt, role } = told
      const why = [reason?.replaceAll('_', ' ') ?? '', detail ?? ''].filter(Boolean).join(': ')
      const where = ` in ${deployment}${role === 'shadow' ? ' as shadow' : ''}`
      const again = attempt > 1 ? `, attempt ${attempt}` : ''
      return {
        kind,
        what: `progress.${state}`,
        tone: toneOf(state),
        parts: [
          bundlePart(bundle(told.manifest)),
          { text: ` ${stateWords(state)}${where}${again}${why === '' ? '' : ` (${why})`}` },
        ],
      }
    }
    case 'drift': {
      const { state, movements } = told.verdict
      const columns = [...new Set(movements.map(({ column }) => column))]
      const moved = columns.length === 0 ? '' : `: ${columns.slice(0, 4).join(', ')}${columns.length > 4 ? ' …' : ''}`
      const words = state === 'drifted' ? `its data has drifted${moved}` : `its data is ${state.replaceAll('_', ' ')}`
      return {
        kind,
        what: `drift.${state}`,
        tone: state === 'drifted' ? 'warn' : 'good',
        parts: [bundlePart(bundle(told.manifest)), { text: `: ${words}, in ${told.deployment}` }],
      }
    }
    case 'refused':
      return line(kind, event, 'bad', `it refused what it was sent (${told.code}): ${told.detail}`)
    case 'runtime_died': {
      const ran = (told.manifests ?? [])
        .flatMap((manifest) => bundle(manifest) ?? [])
        .flatMap((known, n) => [{ text: n === 0 ? ', with ' : ', ' }, versionPart(known)])
      return {
        kind,
        what: event,
        tone: 'bad',
        parts: [{ text: 'the runtime process died' }, ...ran, { text: `: ${told.detail}` }],
      }
    }
    case 'started':
      return line(kind, event, 'idle', `the agent started: ${told.detail}`)
    case 'stale':
      return line(kind, event, 'warn', `it has no fresh answer of the hub: ${told.detail}`)
    case 'fresh':
      return line(
        kind,
        event,
        'good',
        `it has a fresh answer of the hub again${told.detail === '' ? '' : `: ${told.detail}`}`,
      )
    case 'patch_failed':
      return line(kind, event, 'warn', `a patch did not make the file, which was downloaded whole: ${told.detail}`)
  }
}

const Wish = z.object({
  deployment: z.string(),
  role: z.string().default('primary'),
  manifest: z.string().nullable().default(null),
  attempt: z.number().optional(),
})
const Labels = z.record(z.string(), z.string())
const Command = z.object({ kind: z.string(), level: z.string().optional() })

/** Of what a person did, by the audit log. */
export function changeLine(
  { action, actor, before, after }: { action: string; actor: string; before: unknown; after: unknown },
  { bundle, actor: actorOf }: Naming,
): Line {
  const kind = kindOf(actionsOf, action) ?? 'change'
  const by = actorPart(actorOf(actor))
  const wish = Wish.safeParse(after)
  const saying = (tone: Tone, ...parts: Part[]): Line => ({ kind, what: action, tone, parts: [by, ...parts] })
  if (kind === 'assignment' && wish.success) {
    const { deployment, role, manifest, attempt } = wish.data
    const where = ` in ${deployment}${role === 'shadow' ? ' as shadow' : ''}`
    if (manifest === null) return saying('idle', { text: ` wants nothing${where} any more` })
    const version = bundlePart(bundle(manifest))
    if (action === 'device.retry')
      return saying('busy', { text: ' asked to try ' }, version, { text: `${where} again, attempt ${attempt ?? ''}` })
    return saying('busy', { text: ' assigned ' }, version, { text: `${where} by hand` })
  }
  switch (action) {
    case 'device.label':
      return saying('idle', { text: ` changed labels: ${labelChange(before, after)}` })
    case 'device.command': {
      const command = Command.safeParse(after)
      return saying('idle', {
        text: ` told it: ${command.success ? [command.data.kind, command.data.level].filter(Boolean).join(' ') : 'a command'}`,
      })
    }
    case 'device.revoke':
      return saying('bad', { text: ' revoked it: it cannot come back' })
    case 'device.rotate-secret':
      return { kind, what: action, tone: 'idle', parts: [{ text: 'it asked for its next secret' }] }
    case 'device.enrol':
    case 'device.enrol-again':
      return {
        kind,
        what: action,
        tone: 'good',
        parts: [{ text: action === 'device.enrol' ? 'it was enrolled' : 'it enrolled again, and got a new secret' }],
      }
    default:
      return saying('idle', { text: ` ${action.replace('device.', '')}` })
  }
}

/** `+site = north, −line, floor = 2 (was 1)` */
function labelChange(before: unknown, after: unknown): string {
  const [was, is] = [Labels.safeParse(before), Labels.safeParse(after)]
  if (!was.success || !is.success) return 'they are in the audit log'
  const added = Object.entries(is.data).flatMap(([key, value]) => {
    const old = was.data[key]
    if (old === value) return []
    return [old === undefined ? `+${key} = ${value}` : `${key} = ${value} (was ${old})`]
  })
  const removed = Object.keys(was.data)
    .filter((key) => !Object.hasOwn(is.data, key))
    .map((key) => `−${key}`)
  return [...added, ...removed].join(', ') || 'none'
}

const Offer = z.object({ as: z.string(), role: z.string().optional() })

/** Of what a rollout decided about the device. */
export function decisionLine({
  action,
  rollout,
  model,
  version,
  detail,
}: {
  action: string
  rollout: string
  model: string
  version: number
  detail: unknown
}): Line {
  const offer = Offer.safeParse(detail)
  const bundle = versionPart({ manifest: '', model, version })
  const by: Part[] = [{ text: 'rollout ' }, { text: rollout, link: { kind: 'rollout', name: rollout } }]
  const as = offer.success ? offer.data : undefined
  if (action === 'offer') {
    const how = as?.role === 'shadow' ? ' as shadow' : ''
    const when = as?.as === 'unreachable' ? ', for when the device returns' : ''
    return {
      kind: 'assignment',
      what: action,
      tone: 'busy',
      parts: [...by, { text: ' offered ' }, bundle, { text: `${how}${when}` }],
    }
  }
  const end = as === undefined ? '' : `; it counts as ${as.as.replaceAll('_', ' ')}`
  return {
    kind: 'assignment',
    what: action,
    tone: 'warn',
    parts: [...by, { text: ' took ' }, bundle, { text: ` back${end}` }],
  }
}

const line = (kind: TimelineKind, what: string, tone: Tone, text: string): Line => ({
  kind,
  what,
  tone,
  parts: [{ text }],
})

const failed: ReadonlySet<ProgressState> = new Set(['failed', 'rolled_back', 'rejected', 'timed_out'])
const over: ReadonlySet<ProgressState> = new Set(['cancelled', 'superseded', 'unreachable', 'deferred'])

function toneOf(state: ProgressState): Tone {
  if (state === 'succeeded' || state === 'already_current') return 'good'
  if (failed.has(state)) return 'bad'
  return over.has(state) ? 'idle' : 'busy'
}

const words: Partial<Record<ProgressState, string>> = {
  accepted: 'is accepted',
  downloading: 'is downloading',
  staged: 'is downloaded and checked',
  activating: 'is being activated',
  probation: 'serves, on probation',
  succeeded: 'serves',
  already_current: 'serves already',
  shadowing: 'runs beside what serves',
  rolled_back: 'was taken back by the device itself',
  failed: 'failed',
}
const stateWords = (state: ProgressState): string => words[state] ?? `is ${state.replaceAll('_', ' ')}`

const Detailed = z.object({ detail: z.string() })
function detailOf(body: unknown): string | undefined {
  const detailed = Detailed.safeParse(body)
  return detailed.success ? detailed.data.detail : undefined
}

/** What is of another model is left out before it is shown; this is for what names one beside. */
const bundlePart = (bundle: Bundle | undefined): Part =>
  bundle === undefined ? { text: 'a bundle of another model' } : versionPart(bundle)
