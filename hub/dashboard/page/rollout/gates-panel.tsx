// What a stage is judged by: each gate's verdict in words, its interval beside the margin look by look, and the draws
// behind the last of them.

import { useMemo } from 'preact/hooks'
import type { components } from '../api-types.d.ts'
import { EmptyState } from '../parts/empty-state.tsx'
import { counted, grouped } from '../parts/quantity.tsx'
import { StateDot } from '../parts/state-dot.tsx'
import { Time } from '../parts/time.tsx'
import { DrawsPicture } from './draws-picture.tsx'
import { Installations } from './installations.tsx'
import { IntervalPicture } from './interval-picture.tsx'
import { differenceInWords, levelInWords } from './scale.ts'
import { type GateVerdict, outcomes, type RolloutDetail, type Stage, sentence } from './words.ts'

export type Look = components['schemas']['RolloutLook']

/** Looks that are drawn one below the other; a stage that was opened again has more. */
const looksShown = 15

export function GatesPanel({
  rollout,
  stage,
  looks,
}: {
  rollout: RolloutDetail
  stage: Stage
  looks: readonly Look[]
}) {
  const own = useMemo(() => looks.filter((look) => look.stage === stage.name), [looks, stage.name])
  const last = own.at(-1)
  const verdict = last?.verdict ?? stage.verdict
  return (
    <section class="stack" aria-labelledby="gates-title">
      <div class="title">
        <h2 id="gates-title">Gates of stage {stage.name}</h2>
        {last !== undefined && (
          <p class="quiet">
            {counted(own.length, 'look')}, the last <Time at={last.at} />
          </p>
        )}
      </div>
      {verdict === null || verdict.gates.length === 0 ? (
        <NotYet rollout={rollout} stage={stage} />
      ) : (
        <div class="gates">
          {verdict.gates.map((gate, place) => (
            <Gate
              key={gate.label}
              rollout={rollout.id}
              gate={gate}
              place={place}
              looks={own.slice(-looksShown).flatMap(({ verdict: { gates }, at, number }) => {
                const then = gates[place]
                return then === undefined ? [] : [{ verdict: then, at, number }]
              })}
            />
          ))}
        </div>
      )}
    </section>
  )
}

export type GateLook = { verdict: GateVerdict; at: string; number: number }

function Gate({
  rollout,
  gate,
  place,
  looks,
}: {
  rollout: string
  gate: GateVerdict
  place: number
  looks: readonly GateLook[]
}) {
  const { title, tone } = outcomes[gate.outcome]
  const number = looks.at(-1)?.number
  return (
    <article class={`card gate ${tone}`} aria-label={`Gate ${gate.label}: ${title.toLowerCase()}`}>
      <header>
        <h3>{gate.label}</h3>
        <StateDot tone={tone}>{title}</StateDot>
      </header>
      <p class="gate-sentence">{sentence(gate.sentence)}</p>
      <Figures gate={gate} />
      {gate.method === 'counts' ? (
        <Installations gate={gate} />
      ) : (
        gate.difference !== null && <IntervalPicture looks={looks} />
      )}
      {gate.draws > 0 && number !== undefined && (
        <DrawsPicture rollout={rollout} look={number} place={place} gate={gate} />
      )}
      {gate.excluded.length > 0 && (
        <details>
          <summary>{counted(gate.excluded.length, 'device')} left out or cut</summary>
          <ul class="plain-list">
            {gate.excluded.map(({ device, why }) => (
              <li key={device}>
                <a class="mono" href={`/devices/${encodeURIComponent(device)}`}>
                  {device}
                </a>{' '}
                {why}
              </li>
            ))}
          </ul>
        </details>
      )}
    </article>
  )
}

const methods: Record<GateVerdict['method'], string> = {
  counts: '',
  none: '',
  redraw: 'other draws of the canaries',
  paired: 'signs of the differences on the same inputs, flipped',
  blocks: 'other stretches of time',
  own_past: 'beside the devices’ own past, signs flipped',
}

function Figures({ gate }: { gate: GateVerdict }) {
  const { canary, control, devices, method } = gate
  if (method === 'counts' || method === 'none' || canary === null || control === null) return null
  const isPaired = devices.control === 0
  const controls = isPaired
    ? method === 'own_past'
      ? 'own past'
      : 'version that answers'
    : `on ${counted(devices.control, 'device')}`
  return (
    <dl class="gate-figures">
      <div>
        <dt>New version</dt>
        <dd>
          {levelInWords(gate, canary)} <small class="quiet">on {counted(devices.canary, 'device')}</small>
        </dd>
      </div>
      <div>
        <dt>Old version</dt>
        <dd>
          {levelInWords(gate, control)} <small class="quiet">{controls}</small>
        </dd>
      </div>
      <div>
        <dt>Worse by</dt>
        <dd>
          {gate.difference === null ? '–' : differenceInWords(gate, gate.difference)}{' '}
          <small class="quiet">{gate.margin === null ? '' : `${differenceInWords(gate, gate.margin)} allowed`}</small>
        </dd>
      </div>
      <div>
        <dt>Told by</dt>
        <dd>
          {grouped(gate.draws)} <small class="quiet">{methods[method]}</small>
        </dd>
      </div>
    </dl>
  )
}

function NotYet({ rollout: { plan, state }, stage }: { rollout: RolloutDetail; stage: Stage }) {
  const gates = plan?.stages.find(({ name }) => name === stage.name)?.gates ?? plan?.gates ?? []
  return (
    <div class="card">
      <EmptyState title={stage.state === 'pending' || stage.state === 'held' ? 'Not begun' : 'Not looked at yet'}>
        <p>
          {gates.length === 0
            ? 'No gate: the stage passes when it has been watched long enough.'
            : `It is to be judged by ${gates.map(({ metric }) => metric.replaceAll('_', ' ')).join(', ')}${
                state === 'running' ? ', first after a sixteenth of its bake time' : ''
              }.`}
        </p>
      </EmptyState>
    </div>
  )
}
