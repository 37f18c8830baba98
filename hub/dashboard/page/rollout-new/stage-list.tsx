// The stages of a plan, one below the other: who is in each, how it goes, how long it is watched, and in which order.

import { useId, useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { PlanPath } from '../../../rollouts/plan/plan-text.ts'
import { LabelQuery } from '../parts/label-query.tsx'
import { PlanField } from './field.tsx'
import { GateList } from './gate-list.tsx'
import { answerForms, defaultOf, stageForms } from './option-forms.ts'
import { type Fields, faultOf, isFields, usePlan } from './plan-context.ts'
import { canEdit } from './plan-edits.ts'

export function StageList({ stages }: { stages: readonly unknown[] }) {
  const { document, edit } = usePlan()
  const [said, setSaid] = useState('')
  const [focused, setFocused] = useState<number>()
  const list = useRef<HTMLOListElement>(null)
  const canMove = canEdit(document, ['stages'])
  // before it is shown: a key that is pressed again at once is for the stage where it is now
  useLayoutEffect(() => {
    if (focused === undefined) return
    const item = list.current?.children[focused]
    if (item instanceof HTMLElement) item.focus()
    setFocused(undefined)
  }, [focused])
  const move = (from: number, to: number) => {
    if (to < 0 || to >= stages.length || !canMove) return
    edit({ kind: 'move', path: ['stages'], from, to })
    setFocused(to)
    setSaid(`${nameOf(stages[from], from)} is now stage ${to + 1} of ${stages.length}`)
  }
  const remove = (at: number) => {
    edit({ kind: 'remove', path: ['stages', at] })
    setFocused(Math.max(0, at - 1))
    setSaid(`${nameOf(stages[at], at)} is removed`)
  }
  const add = () => {
    const at = Math.max(0, stages.length - 1)
    edit({ kind: 'insert', path: ['stages'], at, value: newStage(stages) })
    setFocused(at)
  }
  return (
    <section class="stack tight" aria-labelledby="stages">
      <div class="row between">
        <h3 id="stages">Stages</h3>
        <button type="button" onClick={add} disabled={!canMove}>
          Add a stage
        </button>
      </div>
      <ol class="stage-list" ref={list}>
        {stages.map((stage, i) => (
          <li
            // a stage is known by its place: names change as they are typed
            key={i}
            tabIndex={-1}
            class="part"
            aria-label={`Stage ${i + 1}, ${nameOf(stage, i)}`}
            onKeyDown={(event) => {
              if (!event.altKey || (event.key !== 'ArrowUp' && event.key !== 'ArrowDown')) return
              event.preventDefault()
              move(i, event.key === 'ArrowUp' ? i - 1 : i + 1)
            }}
          >
            <div class="row between">
              <span class="quiet ordinal">{i + 1}</span>
              <span class="row">
                <IconButton
                  label={`Move ${nameOf(stage, i)} up`}
                  sign="↑"
                  disabled={i === 0 || !canMove}
                  onClick={() => move(i, i - 1)}
                />
                <IconButton
                  label={`Move ${nameOf(stage, i)} down`}
                  sign="↓"
                  disabled={i === stages.length - 1 || !canMove}
                  onClick={() => move(i, i + 1)}
                />
                <IconButton
                  label={`Remove ${nameOf(stage, i)}`}
                  sign="×"
                  disabled={!canMove}
                  onClick={() => remove(i)}
                />
              </span>
            </div>
            {isFields(stage) ? (
              <StageFields stage={stage} path={['stages', i]} isLast={i === stages.length - 1} />
            ) : (
              <p class="quiet">Only the text can change this.</p>
            )}
          </li>
        ))}
      </ol>
      <p class="quiet small">Alt with an arrow key moves a stage. Percentages and numbers of devices are cumulative.</p>
      <p role="status" class="unseen">
        {said}
      </p>
    </section>
  )
}

const ways = ['percent', 'devices', 'where'] as const
type Way = (typeof ways)[number]
const wayNames: Record<Way, string> = { percent: 'percent', devices: 'devices', where: 'query' }

function StageFields({ stage, path, isLast }: { stage: Fields; path: PlanPath; isLast: boolean }) {
  const { plan, edit, faults, labels } = usePlan()
  const id = useId()
  const way = ways.find((name) => stage[name] !== undefined) ?? 'percent'
  const ownFault = faultOf(faults, path)
  const takeWay = (next: Way) => {
    const first = { percent: isLast ? 100 : 10, devices: 10, where: 'site = lab' }[next]
    const others = ways.filter((name) => name !== next && stage[name] !== undefined)
    edit(
      { kind: 'set', path: [...path, next], value: first },
      ...others.map((name) => ({ kind: 'remove' as const, path: [...path, name] })),
    )
  }
  const isShadow = stage.mode === 'shadow'
  const own = isFields(plan) ? plan : {}
  return (
    <>
      <div class="fields">
        <PlanField parent={path} form={{ name: 'name', label: 'Name', kind: 'text', isNeeded: true }} width="medium" />
        <div class="field short">
          <label for={`${id}-who`}>Who</label>
          <select
            id={`${id}-who`}
            value={way}
            onChange={({ currentTarget }) => takeWay(ways.find((name) => name === currentTarget.value) ?? 'percent')}
          >
            {ways.map((name) => (
              <option key={name} value={name}>
                {wayNames[name]}
              </option>
            ))}
          </select>
        </div>
        {way !== 'where' && (
          <PlanField
            parent={path}
            form={{ name: way, label: way === 'percent' ? 'Percent' : 'Devices', kind: 'number', isNeeded: true }}
          />
        )}
        <PlanField
          parent={path}
          form={{ name: 'mode', label: 'Mode', kind: { choices: isLast ? ['full'] : ['canary', 'shadow'] } }}
          byDefault={isLast ? 'full' : 'canary'}
        />
        <PlanField parent={path} form={{ name: 'bakeMs', label: 'Watched for', kind: 'duration', isNeeded: true }} />
        {isShadow && (
          <PlanField
            parent={path}
            form={{
              name: 'shadowSample',
              label: 'Sample',
              kind: 'number',
              means: 'share of the inferences that a shadow sees',
            }}
            byDefault={defaultOf('shadowSample')}
          />
        )}
      </div>
      {way === 'where' && (
        <LabelQuery
          label="Devices that fit"
          value={typeof stage.where === 'string' ? stage.where : ''}
          labels={labels}
          fault={faultOf(faults, [...path, 'where'])}
          onChange={(query) => edit({ kind: 'set', path: [...path, 'where'], value: query })}
        />
      )}
      {ownFault !== undefined && <p class="fault">{ownFault}</p>}
      <details open={hasMore(stage) || undefined}>
        <summary>{moreOf(stage)}</summary>
        <div class="fields">
          {stageForms.map((form) => (
            <PlanField key={form.name} parent={path} form={form} byDefault={defaultOf(form.name, own)} />
          ))}
          {answerForms.map((form) => (
            <PlanField key={form.name} parent={path} form={form} byDefault={defaultOf(form.name, own)} width="medium" />
          ))}
        </div>
        <GateList path={[...path, 'gates']} isOfStage />
      </details>
    </>
  )
}

const hasMore = (stage: Fields): boolean =>
  [...stageForms, ...answerForms, { name: 'gates' }].some(
    ({ name }) => stage[name] !== undefined || stage[name.replace(/Ms$/, '')] !== undefined,
  )

/** What the closed part says. */
function moreOf(stage: Fields): string {
  const said = [
    stage.hold === true ? 'held' : '',
    typeof stage.approvals === 'number' && stage.approvals > 0
      ? `${stage.approvals} ${stage.approvals === 1 ? 'approval' : 'approvals'}`
      : '',
    Array.isArray(stage.gates) ? 'own gates' : '',
  ].filter(Boolean)
  return said.length === 0 ? 'Hold, approvals, limits, own gates' : said.join(', ')
}

function IconButton({ label, sign, ...rest }: { label: string; sign: string; disabled: boolean; onClick: () => void }) {
  return (
    <button type="button" class="plain icon" aria-label={label} title={label} {...rest}>
      {sign}
    </button>
  )
}

const nameOf = (stage: unknown, index: number): string =>
  isFields(stage) && typeof stage.name === 'string' && stage.name !== '' ? stage.name : `stage ${index + 1}`

/** One before the last, in size between its neighbours. */
function newStage(stages: readonly unknown[]): Fields {
  if (stages.length === 0) return { name: 'all', percent: 100, bake: '1h' }
  const taken = new Set(stages.map(nameOf))
  const name = ['canary', 'quarter', 'half', ...Array.from({ length: 20 }, (_, n) => `stage-${n + 1}`)].find(
    (one) => !taken.has(one),
  )
  const before = Math.max(
    0,
    ...stages.slice(0, -1).map((stage) => (isFields(stage) && typeof stage.percent === 'number' ? stage.percent : 0)),
  )
  return { name: name ?? 'another', percent: before === 0 ? 10 : Math.round((before + 100) / 2), bake: '1h' }
}
