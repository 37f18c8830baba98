// The story of a rollout in sentences, with the numbers: who started what for whom, what each stage was judged by, what
// people did, and what it waits for. Pure; everything in it is in the decisions, the looks and the members.

import { z } from '@hono/zod-openapi'
import { counted, named, utcTime } from '../../wording.ts'
import { leftOutWords, StartStory } from '../plan/start-story.ts'
import type { DecisionRow, MemberRow, StageRow, StoredRollout } from '../store.ts'
import { StageVerdict } from './judge.ts'
import type { LookRow } from './looks.ts'

export const Explanation = z
  .object({
    rollout: z.string(),
    /** In the order of time; what holds now comes last, without a time. */
    sentences: z.array(
      z.object({
        at: z.iso.datetime().nullable(),
        text: z.string(),
        /** The decision that it is about, the first of several of one moment; null of what holds now. */
        seq: z.number().int().nullable(),
        /** Whether something was judged for it: its inputs can be read. */
        judged: z.boolean(),
      }),
    ),
  })
  .openapi('RolloutExplanation')
export type Explanation = z.infer<typeof Explanation>

export type Story = {
  row: StoredRollout
  stages: readonly StageRow[]
  members: readonly MemberRow[]
  decisions: readonly DecisionRow[]
  looks: readonly LookRow[]
  /** Devices that are left out of the gates now. */
  suspects: readonly { device: string; why: string }[]
  /** What devices say of why they failed. */
  details: ReadonlyMap<string, string>
  /** What runs in the deployment now, by the devices' own word; `model` null where they run nothing that is known. */
  running: readonly { model: string | null; version: number | null; devices: number }[]
  waits: { for: string; until: number | null } | undefined
}

export function explain(story: Story): Explanation {
  const { row, decisions, suspects, waits } = story
  const past = inGroups(decisions).flatMap((group) => {
    const [first] = group
    if (first === undefined) return []
    const { at, seq, detail } = first
    const judged = Judged.safeParse(detail).success
    return sentencesOf(group, first, story).map((text) => ({ at: iso(at), text, seq, judged }))
  })
  const now = [
    ...openLooks(story),
    ...failures(story),
    ...suspects.slice(0, namesShown).map(({ device, why }) => `${device} is left out of the gates: ${why}.`),
    ...(suspects.length > namesShown
      ? [`${counted(suspects.length - namesShown, 'more device is', 'more devices are')} left out of the gates.`]
      : []),
    waits === undefined
      ? `It has ended: ${words(row.state)}, ${row.reason}.${haveItNow(story)}`
      : `It is ${words(row.state)} (${row.reason}) and waits for ${waits.for}${waits.until === null ? '' : `, until ${utcTime(waits.until)} UTC`}.`,
  ]
  return { rollout: row.id, sentences: [...past, ...now.map((text) => ({ at: null, text, seq: null, judged: false }))] }
}

/** The reason speaks of the end; devices that were away may have it since, others may have failed after all. */
function haveItNow({ row, running }: Story): string {
  const total = running.reduce((sum, { devices }) => sum + devices, 0)
  if (total === 0) return ''
  const isNew = ({ model, version }: Story['running'][number]) => model === row.model && version === row.version
  const now = running.filter(isNew).reduce((sum, { devices }) => sum + devices, 0)
  const others = running
    .filter((one) => !isNew(one))
    .map(
      ({ model, version, devices }) => `${devices} ${model === null ? 'nothing that is known' : `${model} ${version}`}`,
    )
  const rest = others.length === 0 ? '' : `, ${named(others)}`
  return ` Now ${now} of ${counted(total, 'device')} ${now === 1 ? 'runs' : 'run'} ${row.model} ${row.version}${rest}.`
}

const iso = (ms: number) => new Date(ms).toISOString()
const words = (state: string) => state.replaceAll('_', ' ')

const namesShown = 10

const Action = z.discriminatedUnion('do', [
  z.object({ do: z.literal('offer'), device: z.string(), as: z.string(), role: z.string().optional() }),
  z.object({ do: z.literal('withdraw'), device: z.string(), as: z.string() }),
  z.object({ do: z.literal('stage'), index: z.number(), state: z.string(), verdict: StageVerdict.optional() }),
  z.object({ do: z.literal('rollout'), state: z.string(), reason: z.string() }),
  z.object({ do: z.literal('release'), index: z.number() }),
  z.object({ do: z.literal('retry'), devices: z.array(z.string()) }),
  z.object({ do: z.literal('acknowledge'), devices: z.array(z.string()) }),
])
type Action = z.infer<typeof Action>

const Judged = z.object({ verdict: StageVerdict.required({ look: true }) })
const Operation = z.object({
  operation: z.string(),
  reason: z.string().optional(),
  stage: z.string().optional(),
  devices: z.array(z.string()).optional(),
})
const Joined = z.object({ devices: z.array(z.string()) })
const Superseded = z.object({ by: z.string() })
const Approval = z.object({ decision: z.string(), stage: z.string(), comment: z.string().default('') })

/** Offers and withdrawals of one moment are one sentence. */
function inGroups(decisions: readonly DecisionRow[]): DecisionRow[][] {
  const groups: DecisionRow[][] = []
  for (const decision of decisions) {
    const last = groups.at(-1)?.at(-1)
    const many = decision.action === 'offer' || decision.action === 'withdraw'
    const goesOn =
      many &&
      last !== undefined &&
      last.action === decision.action &&
      last.at === decision.at &&
      last.actor === decision.actor
    if (goesOn) groups.at(-1)?.push(decision)
    else groups.push([decision])
  }
  return groups
}

function sentencesOf(group: readonly DecisionRow[], first: DecisionRow, story: Story): string[] {
  const actions = group.flatMap(({ detail }) => {
    const action = Action.safeParse(detail)
    return action.success ? [action.data] : []
  })
  const [action] = actions
  if (action !== undefined) return actionSentences(action, actions, first, story)
  return [otherSentence(first, story)]
}

function actionSentences(action: Action, all: readonly Action[], decision: DecisionRow, story: Story): string[] {
  const { actor } = decision
  const devices = all.flatMap((one) => (one.do === 'offer' || one.do === 'withdraw' ? [one.device] : []))
  const name = (index: number) => story.stages[index]?.name ?? String(index)
  switch (action.do) {
    case 'offer': {
      const how = action.role === 'shadow' ? ' in shadow' : action.as === 'unreachable' ? ' for when it returns' : ''
      return [`${who(actor)} offered it${how} to ${devicesNamed(devices)}.`]
    }
    case 'withdraw':
      return [`${who(actor)} asked ${devicesNamed(devices)} back to what ran before.`]
    case 'release':
      return [`${who(actor)} let stage ${name(action.index)} begin.`]
    case 'retry':
      return [`${who(actor)} has ${devicesNamed(action.devices)} try again.`]
    case 'acknowledge':
      return [`${who(actor)} has seen that ${devicesNamed(action.devices)} failed or refused it, and gone on.`]
    case 'rollout':
      return [`The rollout is ${words(action.state)}: ${action.reason}.`]
    case 'stage':
      return [stageSentence(action, decision, story), ...verdictSentences(action.verdict)]
  }
}

const who = (actor: string) => (actor === 'hub' ? 'The hub' : actor)
const devicesNamed = (devices: readonly string[]) =>
  devices.length === 1 ? String(devices[0]) : `${counted(devices.length, 'device')} (${named(devices)})`

/** Devices of a shadow stage take part once more where the version answers. */
const takesPart = ({ stage, serves_from }: MemberRow, index: number) => stage === index || serves_from === index

/** Without the devices of a dynamic rollout that joined it later than that decision. */
function membersBy({ seq }: DecisionRow, { members, decisions }: Story): readonly MemberRow[] {
  const later = new Set(
    decisions.flatMap(({ action, seq: joined, detail }) => {
      const named = action === 'joined' && joined > seq ? Joined.safeParse(detail) : undefined
      return named?.success ? named.data.devices : []
    }),
  )
  return later.size === 0 ? members : members.filter(({ device }) => !later.has(device))
}

function stageSentence(action: Extract<Action, { do: 'stage' }>, decision: DecisionRow, story: Story): string {
  const { actor, at } = decision
  const { stages, looks } = story
  const name = stages[action.index]?.name ?? action.index
  const own = membersBy(decision, story).filter((member) => takesPart(member, action.index)).length
  switch (action.state) {
    case 'admitting':
      return `Stage ${name} began to admit its ${counted(own, 'device')}.`
    case 'baking':
      return `Enough devices of stage ${name} have it; it is watched from now on.`
    case 'held':
      return `Stage ${name} waits for a person.`
    default: {
      const seen = looks.filter(({ stage, at: lookedAt }) => stage === action.index && lookedAt <= at).length
      const after = `after ${counted(seen, 'look')}`
      if (action.state === 'passed' && actor !== 'hub')
        return `Stage ${name} was passed by the word of ${actor} ${after}.`
      return `Stage ${name} ${stageWords[action.state] ?? `is ${words(action.state)}`} ${after}.`
    }
  }
}

const stageWords: Record<string, string> = {
  passed: 'passed',
  failed: 'failed',
  inconclusive: 'was left undecided',
  open: 'passed and stays open',
}

const outcomes = { pass: 'passed', fail: 'failed', undecided: 'could not say' }

function verdictSentences(verdict: StageVerdict | undefined): string[] {
  return (verdict?.gates ?? []).flatMap(({ label, outcome, sentence, excluded }) => [
    `The gate on ${label} ${outcomes[outcome]}: ${sentence}.`,
    ...(excluded.length === 0
      ? []
      : [
          `For it, ${counted(excluded.length, 'device was', 'devices were')} left out or cut: ${named(excluded.map(({ device, why }) => `${device} (${why})`))}.`,
        ]),
  ])
}

function otherSentence(decision: DecisionRow, story: Story): string {
  const { action, actor, detail } = decision
  const { row, stages } = story
  const started = StartStory.safeParse(detail)
  if (started.success) {
    const { query, devices, supersedes, warnings } = started.data
    const members = membersBy(decision, story)
    const drawn = stages.map(({ idx, name }) => {
      const own = members.filter((member) => takesPart(member, idx))
      const before = own.filter(({ stage }) => stage < idx).length
      return `${name} ${own.length}${before === 0 ? '' : ` (${before} of them in shadow before)`}`
    })
    const rest = [
      ...leftOutWords(started.data),
      ...(supersedes.length > 0 ? [`it takes over from ${supersedes.join(', ')}`] : []),
      ...warnings.map((warning) => `doubtful then: ${warning.detail}`),
    ]
    return `${who(actor)} ${action === 'started' ? 'started' : 'prepared'} it: ${row.model} ${row.version} to the ${counted(devices, 'device')} of ${row.group_name} (${query}), drawn into ${drawn.join(', ')}${rest.map((text) => `; ${text}`).join('')}.`
  }
  const operation = Operation.safeParse(detail)
  if (operation.success) {
    const { operation: what, reason, stage, devices } = operation.data
    const on =
      stage === undefined ? (devices === undefined ? '' : ` for ${devicesNamed(devices)}`) : ` of stage ${stage}`
    return `${who(actor)} asked for ${words(what)}${on}${reason === undefined || reason === '' ? '' : `: ${reason}`}.`
  }
  const approval = Approval.safeParse(detail)
  if (approval.success) {
    const { decision, stage, comment } = approval.data
    return `${who(actor)} ${decision === 'approve' ? 'approved' : 'rejected'} stage ${stage}${comment === '' ? '' : `: ${comment}`}.`
  }
  const joined = Joined.safeParse(detail)
  if (action === 'joined' && joined.success) {
    return `${devicesNamed(joined.data.devices)} came to fit the group, and joined stage ${stages.at(-1)?.name}.`
  }
  const superseded = Superseded.safeParse(detail)
  if (action === 'superseded' && superseded.success) {
    return `${who(actor)} started ${superseded.data.by}, which took its devices over.`
  }
  return `${who(actor)}: ${words(action)}.`
}

/** Which devices failed, by what they say of it. */
function failures({ members, details }: Story): string[] {
  const failed = members.flatMap(({ device, state, reason }) => {
    const detail = details.get(device)
    const how = `${words(state)}: ${words(reason ?? '')}${detail === undefined ? '' : ` (${detail})`}`
    return reason === null ? [] : [{ device, how }]
  })
  const groups = [...Map.groupBy(failed, ({ how }) => how)]
  const rest = groups.slice(groupsShown).reduce((sum, [, devices]) => sum + devices.length, 0)
  return [
    ...groups
      .slice(0, groupsShown)
      .map(([how, devices]) => `${devicesNamed(devices.map(({ device }) => device))} ${how}.`),
    ...(rest > 0 ? [`${counted(rest, 'more device')} failed in other ways.`] : []),
  ]
}

const groupsShown = 20

/** What the last look at a stage that has not ended said. */
function openLooks({ stages, looks }: Story): string[] {
  return stages.flatMap(({ idx, name, state }) => {
    if (state !== 'admitting' && state !== 'baking' && state !== 'open') return []
    const own = looks.filter(({ stage }) => stage === idx)
    const last = own.at(-1)
    return last === undefined
      ? [`Stage ${name} has not been looked at yet.`]
      : [
          `Stage ${name} has been looked at ${counted(own.length, 'time')}, last at ${utcTime(last.at)} UTC.`,
          ...verdictSentences(last.verdict),
        ]
  })
}
