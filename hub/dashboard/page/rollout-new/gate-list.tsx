// The gates of a plan or of one stage: each with its settings, and what it means in a sentence.

import { useState } from 'preact/hooks'
import { gateDefaults } from '../../../rollouts/plan/defaults.ts'
import type { PlanPath } from '../../../rollouts/plan/plan-text.ts'
import { spellDuration } from '../../../rollouts/plan/spelled-duration.ts'
import { PlanField } from './field.tsx'
import { gateForms, gateSentence, type Metric, metricOf, newGate } from './gate-words.ts'
import { answerForms } from './option-forms.ts'
import { type Fields, faultOf, isFields, usePlan, valueAt } from './plan-context.ts'
import { canEdit } from './plan-edits.ts'

const metrics = Object.keys(gateForms) as Metric[]
const usual = ['installation', 'error_rate', 'latency'] as const

/** Where none are written the plan's (of a stage), or the usual three, count; writing them makes them one's own. */
export function GateList({ path, isOfStage = false }: { path: PlanPath; isOfStage?: boolean }) {
  const { plan, document, edit, faults } = usePlan()
  const [metric, setMetric] = useState<Metric>('silence')
  const gates = valueAt(plan, path)
  const isLocked = !canEdit(document, path)
  const list = Array.isArray(gates) ? gates : undefined
  const fault = faultOf(faults, path)
  const heading = isOfStage ? 'Gates of this stage' : 'Gates'
  const add = (value: Fields) => edit({ kind: 'insert', path, at: list?.length ?? 0, value })
  const copyUsual = () =>
    edit(
      { kind: 'set', path, value: [] },
      ...usual.map((name, at) => ({ kind: 'insert' as const, path, at, value: newGate(name) })),
    )
  return (
    <section class="stack tight" aria-label={heading}>
      <h3>{heading}</h3>
      {list === undefined ? (
        <div class="row between">
          <p class="quiet small">
            {isOfStage ? 'Those of the plan.' : 'Installation, error rate and latency, as usual.'}
          </p>
          <button type="button" onClick={copyUsual} disabled={isLocked}>
            {isOfStage ? 'Its own gates' : 'Change them'}
          </button>
        </div>
      ) : (
        <>
          <ul class="gate-list">
            {list.map((gate: unknown, i) => (
              <GateFields
                key={i}
                gate={gate}
                path={[...path, i]}
                remove={() => edit({ kind: 'remove', path: [...path, i] })}
              />
            ))}
          </ul>
          {list.length === 0 && <p class="quiet small">None: nothing is judged, and time alone passes the stage.</p>}
          <div class="row between">
            <span class="row">
              <select
                aria-label="Metric of the new gate"
                value={metric}
                onChange={({ currentTarget }) =>
                  setMetric(metrics.find((name) => name === currentTarget.value) ?? 'silence')
                }
              >
                {metrics.map((name) => (
                  <option key={name} value={name}>
                    {gateForms[name].title}
                  </option>
                ))}
              </select>
              <button type="button" onClick={() => add(newGate(metric))} disabled={isLocked}>
                Add gate
              </button>
            </span>
            <button type="button" class="plain" onClick={() => edit({ kind: 'remove', path })} disabled={isLocked}>
              {isOfStage ? 'Use the plan’s' : 'Use the usual'}
            </button>
          </div>
        </>
      )}
      {fault !== undefined && <p class="fault">{fault}</p>}
    </section>
  )
}

function GateFields({ gate, path, remove }: { gate: unknown; path: PlanPath; remove: () => void }) {
  const { faults } = usePlan()
  const metric = metricOf(gate)
  const form = metric === undefined ? undefined : gateForms[metric]
  const title = form?.title ?? (isFields(gate) && typeof gate.metric === 'string' ? gate.metric : 'Unknown')
  const sentence = gateSentence(gate)
  const fault = faultOf(faults, path) ?? faultOf(faults, [...path, 'metric'])
  const hasAnswers = isFields(gate) && (gate.onFail !== undefined || gate.onUndecided !== undefined)
  return (
    <li class="part">
      <div class="row between">
        <strong>{title}</strong>
        <button
          type="button"
          class="plain icon"
          aria-label={`Remove gate ${title}`}
          title={`Remove gate ${title}`}
          onClick={remove}
        >
          ×
        </button>
      </div>
      <p class="small quiet">
        {form === undefined ? 'This form knows no such gate; only the text can change it.' : sentence}
      </p>
      {fault !== undefined && <p class="fault">{fault}</p>}
      {metric !== undefined && form !== undefined && (
        <>
          <div class="fields">
            {form.fields.map((field) => (
              <PlanField key={field.name} parent={path} form={field} byDefault={defaultOf(metric, field.name)} />
            ))}
          </div>
          <details open={hasAnswers || undefined}>
            <summary>Answers of its own</summary>
            <div class="fields">
              {answerForms.map((answer) => (
                <PlanField key={answer.name} parent={path} form={answer} byDefault="the stage’s" width="medium" />
              ))}
            </div>
          </details>
        </>
      )}
    </li>
  )
}

function defaultOf(metric: Metric, name: string): string {
  const defaults: Fields = gateDefaults[metric]
  const value = defaults[name]
  if (value === undefined) return name === 'output' ? 'all' : ''
  return name.endsWith('Ms') && typeof value === 'number' ? spellDuration(value) : String(value)
}
