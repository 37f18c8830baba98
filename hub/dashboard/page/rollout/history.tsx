// What happened, in the hub's sentences, in order; a decision that followed from a verdict opens to what was judged.

import { useState } from 'preact/hooks'
import { answer, api } from '../api.ts'
import type { components } from '../api-types.d.ts'
import { ErrorState } from '../parts/error-state.tsx'
import { Loading } from '../parts/loading.tsx'
import { counted } from '../parts/quantity.tsx'
import { Time } from '../parts/time.tsx'
import { useResource } from '../resource.ts'
import { levelInWords, short } from './scale.ts'

type Sentence = components['schemas']['RolloutExplanation']['sentences'][number]
type Inputs = components['schemas']['DecisionInputs']
type Judged = Inputs['inputs']['gates'][number]

export function History({ id }: { id: string }) {
  const { value, error, refresh } = useResource(
    `${id} history`,
    (signal) => answer(api.GET('/v1/rollouts/{id}/explanation', { params: { path: { id } }, signal })),
    [`rollout:${id}`],
  )
  if (value === undefined)
    return error === undefined ? <Loading rows={6} /> : <ErrorState error={error} retry={refresh} />
  const entries = entriesOf(value.sentences)
  const now = value.sentences.filter(({ seq }) => seq === null)
  return (
    <div class="stack">
      <ol class="history">
        {entries.map(({ first, rest }) => (
          <li key={first.seq}>
            <span class="quiet">{first.at !== null && <Time at={first.at} form="full" />}</span>
            <div>
              <p>{first.text}</p>
              {rest.map(({ text }) => (
                <p key={text} class="quiet">
                  {text}
                </p>
              ))}
              {first.judged && first.seq !== null && <Evidence id={id} seq={first.seq} />}
            </div>
          </li>
        ))}
      </ol>
      {now.length > 0 && (
        <section class="card" aria-labelledby="now-title">
          <h3 id="now-title">Now</h3>
          {now.map(({ text }) => (
            <p key={text}>{text}</p>
          ))}
        </section>
      )}
    </div>
  )
}

/** Sentences about one decision are one entry. */
export function entriesOf(sentences: readonly Sentence[]): { first: Sentence; rest: Sentence[] }[] {
  const entries: { first: Sentence; rest: Sentence[] }[] = []
  for (const sentence of sentences) {
    if (sentence.seq === null) continue
    const last = entries.at(-1)
    if (last?.first.seq === sentence.seq) last.rest.push(sentence)
    else entries.push({ first: sentence, rest: [] })
  }
  return entries
}

function Evidence({ id, seq }: { id: string; seq: number }) {
  const [isOpen, setOpen] = useState(false)
  return (
    <details onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>What it followed from, device by device</summary>
      {isOpen && <EvidenceTables id={id} seq={seq} />}
    </details>
  )
}

function EvidenceTables({ id, seq }: { id: string; seq: number }) {
  const { value, error } = useResource(`${id} inputs ${seq}`, (signal) =>
    answer(api.GET('/v1/rollouts/{id}/decisions/{seq}/inputs', { params: { path: { id, seq } }, signal })),
  )
  if (value === undefined) return error === undefined ? <Loading /> : <ErrorState error={error} />
  const { inputs, verdict } = value
  return (
    <div class="stack evidence">
      {inputs.gates.map((judged, place) => (
        <GateInputs key={place} judged={judged} label={verdict.gates[place]?.label ?? judged.gate.metric} />
      ))}
      <p class="quiet">
        Seed of the draws <code>{inputs.seed}</code>.{' '}
        <a href={`/v1/rollouts/${encodeURIComponent(id)}/decisions/${seq}/inputs`} target="_blank" rel="noreferrer">
          All of it as JSON
        </a>
      </p>
    </div>
  )
}

const rowsShown = 40

function GateInputs({ judged, label }: { judged: Judged; label: string }) {
  const { evidence, gate } = judged
  if (evidence === null) return <p class="quiet">{label}: not looked at here, what it said before stands.</p>
  if (evidence.kind === 'none' || evidence.kind === 'incomparable')
    return (
      <p class="quiet">
        {label}: {evidence.why}.
      </p>
    )
  if (evidence.kind === 'counts')
    return (
      <p class="quiet">
        {label}: {evidence.assigned} assigned, {evidence.accepted} accepted, {evidence.failed} failed,{' '}
        {evidence.refused} refused, {evidence.acknowledged} acknowledged.
      </p>
    )
  const units = evidence.units.toSorted((a, b) => Number(b.treated) - Number(a.treated) || b.value - a.value)
  const words = (value: number | null) => (value === null ? '–' : levelInWords(gate, value))
  if (units.length === 0)
    return (
      <p class="quiet">
        {label}: {counted(evidence.pairs.length, 'pair')} of answers on the same inputs,{' '}
        {counted(evidence.blocks.length, 'device')} by stretches of time.
      </p>
    )
  return (
    <table class="figures">
      <caption>
        {label}: {counted(units.length, 'device')}
        {units.length > rowsShown && `, ${rowsShown} of them here`}
        {evidence.pairs.length > 0 && `, ${counted(evidence.pairs.length, 'pair')}`}
        {evidence.blocks.length > 0 && ', and stretches of time'}
      </caption>
      <thead>
        <tr>
          <th scope="col">Device</th>
          <th scope="col">Version</th>
          <th scope="col">Since the stage began</th>
          <th scope="col">Before the rollout</th>
          <th scope="col">Weight</th>
          <th scope="col">Stratum</th>
        </tr>
      </thead>
      <tbody>
        {units.slice(0, rowsShown).map(({ device, treated, value, before, weight, stratum }) => (
          <tr key={device}>
            <th scope="row">
              <a class="mono" href={`/devices/${encodeURIComponent(device)}`}>
                {device}
              </a>
            </th>
            <td>{treated ? 'new' : 'old'}</td>
            <td class="number">{words(value)}</td>
            <td class="number">{words(before)}</td>
            <td class="number">{short(weight)}</td>
            <td>{stratum}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}
