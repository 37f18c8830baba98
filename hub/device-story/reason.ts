// Why a deployment of a device runs what it runs, as one sentence with links. Pure: what it is made of is read elsewhere.

import type { FailureReason, ProgressState } from '@roost/shared/protocol/progress.ts'
import { isTerminal } from '@roost/shared/protocol/progress.ts'

/** A piece of a sentence. `link`: what it is about, by name (of a request the version that it is of); `at`: the moment that it tells, ISO 8601. */
export type Part = {
  text: string
  link?: { kind: 'rollout' | 'version' | 'request' | 'token'; name: string }
  at?: string
}

/** `model` and `version` null: not of this hub. */
export type Bundle = { manifest: string; model: string | null; version: number | null }
/** `token:Ab3dEf9h`, and the name of the token. */
export type Actor = { actor: string; name: string | null }

export type RolloutFacts = {
  id: string
  model: string
  version: number
  group: string
  state: string
  reason: string
  /** Null of a draft. */
  startedBy: Actor | null
  /** In which the device was drawn. */
  stage: string
  /** Of that stage; those that count. */
  approvedBy: readonly Actor[]
}

/** What made a bundle wanted: a rollout of it; a rollout of another that was taken back; a person; something unknown. */
export type Cause =
  | { kind: 'rollout'; rollout: RolloutFacts }
  | { kind: 'taken-back'; rollout: RolloutFacts; before: Cause | null }
  | { kind: 'person'; did: 'assigned' | 'retried'; by: Actor; before: Cause | null }
  | { kind: 'unknown'; by: string }

/** Times in milliseconds since 1970, hub clock. */
export type ReasonFacts = {
  runs: { bundle: Bundle; since: number | null } | null
  wanted: { bundle: Bundle; at: number; cause: Cause } | null
  /** What the device says of the wanted bundle; null: nothing yet. */
  said: { state: ProgressState; reason: FailureReason | null; detail: string | null } | null
  /** Nothing is wanted any more, and this is who said so, if the hub still knows. */
  withdrawn: { by: Actor; at: number } | null
  presence: { connected: boolean; seenAt: number | null }
  /** The stage that the running version has reached by a request, and who approved it. */
  promotion: { request: string; stage: string; approvedBy: readonly Actor[] } | null
}

/** One sentence, in parts. */
export function reasonOf(facts: ReasonFacts): Part[] {
  const { runs, wanted } = facts
  if (runs === null && wanted === null) return [{ text: 'Nothing is wanted here, and nothing serves.' }]
  if (runs === null && wanted !== null) {
    return sentence(
      'Nothing serves here yet: ',
      versionPart(wanted.bundle),
      ' is wanted ',
      because(wanted),
      ', and ',
      deviceWords(facts),
    )
  }
  if (runs !== null && wanted === null) {
    return sentence(
      servesWords(runs),
      ' although nothing is wanted here any more: ',
      withdrawnWords(facts),
      ', and ',
      awayWords(facts),
    )
  }
  if (runs === null || wanted === null) throw new Error('both are there by now')
  if (runs.bundle.manifest === wanted.bundle.manifest) {
    return sentence(servesWords(runs), ' ', because(wanted), promotionWords(facts.promotion, runs.bundle))
  }
  return sentence(
    servesWords(runs),
    ', and not ',
    versionPart(wanted.bundle),
    ', which is wanted ',
    because(wanted),
    ': ',
    deviceWords(facts),
  )
}

/** The sentence as it is read aloud; times in UTC. */
export const inWords = (parts: readonly Part[]): string => parts.map(({ text }) => text).join('')

type Piece = string | Part | readonly Part[]

const sentence = (...pieces: readonly Piece[]): Part[] => [...joined(pieces), { text: '.' }]

/** Neighbouring parts without a link are one. */
function joined(pieces: readonly Piece[]): Part[] {
  const parts: Part[] = []
  for (const part of pieces.flatMap((piece) => (typeof piece === 'string' ? [{ text: piece }] : piece))) {
    const last = parts.at(-1)
    const isPlain = last !== undefined && isBare(last) && isBare(part)
    if (isPlain) parts[parts.length - 1] = { text: last.text + part.text }
    else if (part.text !== '') parts.push(part)
  }
  return parts
}

const isBare = ({ link, at }: Part): boolean => link === undefined && at === undefined

const servesWords = ({ bundle, since }: { bundle: Bundle; since: number | null }): Part[] =>
  joined(['It serves ', versionPart(bundle), ...(since === null ? [] : [' since ', timePart(since)])])

function because({ at, cause }: { at: number; cause: Cause }): Part[] {
  return joined(['because ', causeWords(cause, at)])
}

function causeWords(cause: Cause, at: number | undefined): Part[] {
  const when: Piece[] = at === undefined ? [] : [' at ', timePart(at)]
  switch (cause.kind) {
    case 'rollout': {
      const { rollout } = cause
      return joined([
        'rollout ',
        rolloutPart(rollout),
        ' brought it',
        ...when,
        ` in stage ${rollout.stage}, to group ${rollout.group}`,
        startedWords(rollout),
        approvedWords(rollout),
        standingWords(rollout),
      ])
    }
    case 'taken-back': {
      const { rollout, before } = cause
      return joined([
        'rollout ',
        rolloutPart(rollout),
        ' of ',
        versionPart({ manifest: '', model: rollout.model, version: rollout.version }),
        ' was taken back',
        ...when,
        rollout.reason === '' ? '' : ` (${rollout.reason})`,
        beforeWords(before),
      ])
    }
    case 'person':
      return joined([
        actorPart(cause.by),
        cause.did === 'assigned' ? ' assigned it by hand' : ' asked to try it again',
        ...when,
        cause.did === 'assigned' ? '' : beforeWords(cause.before),
      ])
    case 'unknown':
      return joined([`${cause.by} wanted it`, ...when])
  }
}

const beforeWords = (before: Cause | null): Part[] =>
  before === null ? [] : joined(['; it was here since ', causeWords(before, undefined)])

const startedWords = ({ startedBy }: RolloutFacts): Part[] =>
  startedBy === null ? [] : joined(['; ', actorPart(startedBy), ' started it'])

const approvedWords = ({ approvedBy }: RolloutFacts): Part[] =>
  approvedBy.length === 0 ? [] : joined([', ', listed(approvedBy.map(actorPart)), ' approved the stage'])

/** How the rollout stands, where that says more than that it goes on. */
const standingWords = ({ state, reason }: RolloutFacts): string =>
  reason === '' || state === 'running' ? '' : `; it is ${state.replaceAll('_', ' ')}: ${reason}`

const promotionWords = (promotion: ReasonFacts['promotion'], bundle: Bundle): Part[] =>
  promotion === null
    ? []
    : joined([
        `; the version was promoted to ${promotion.stage} by `,
        requestPart(promotion.request, bundle),
        promotion.approvedBy.length === 0 ? '' : ', which ',
        listed(promotion.approvedBy.map(actorPart)),
        promotion.approvedBy.length === 0 ? '' : ' approved',
      ])

function withdrawnWords({ withdrawn }: ReasonFacts): Part[] {
  return withdrawn === null
    ? [{ text: 'it was withdrawn' }]
    : joined([actorPart(withdrawn.by), ' withdrew it at ', timePart(withdrawn.at)])
}

/** What holds it up, by the device's own word. */
function deviceWords(facts: ReasonFacts): Part[] {
  const { said } = facts
  if (said === null) return awayWords(facts)
  const { state, reason, detail } = said
  const why = [reason === null ? '' : reason.replaceAll('_', ' '), detail ?? ''].filter(Boolean).join(', ')
  if (isTerminal(state)) {
    return [{ text: `the device says that it ${terminalWords(state)}${why === '' ? '' : ` (${why})`}` }]
  }
  return joined([
    `the device is at it (${state.replaceAll('_', ' ')})`,
    facts.presence.connected ? '' : joined(['; ', awayWords(facts)]),
  ])
}

const terminalWords = (state: ProgressState): string =>
  state === 'succeeded' || state === 'already_current'
    ? 'had it, and runs it no more'
    : `ended as ${state.replaceAll('_', ' ')}`

function awayWords({ presence }: ReasonFacts): Part[] {
  if (presence.connected) return [{ text: 'the device has not answered yet' }]
  if (presence.seenAt === null) return [{ text: 'the device was never seen' }]
  return joined(['the device is offline since ', timePart(presence.seenAt)])
}

function listed(parts: readonly Part[]): Part[] {
  return parts.flatMap((part, n) => (n === 0 ? [part] : [{ text: n === parts.length - 1 ? ' and ' : ', ' }, part]))
}

const requestPart = (request: string, { model, version }: Bundle): Part => ({
  text: `request ${request}`,
  link: { kind: 'request', name: `${model}/${version}` },
})

export const versionPart = ({ manifest, model, version }: Bundle): Part =>
  model === null || version === null
    ? { text: `a bundle that this hub does not know (${manifest.slice(0, 12)})` }
    : { text: `${model} v${version}`, link: { kind: 'version', name: `${model}/${version}` } }

const rolloutPart = ({ id }: RolloutFacts): Part => ({ text: id, link: { kind: 'rollout', name: id } })

export const actorPart = ({ actor, name }: Actor): Part =>
  actor.startsWith('token:') ? { text: name ?? actor, link: { kind: 'token', name: actor } } : { text: name ?? actor }

const timePart = (ms: number): Part => ({
  text: `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`,
  at: new Date(ms).toISOString(),
})
