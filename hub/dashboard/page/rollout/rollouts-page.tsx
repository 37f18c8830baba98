// All rollouts, newest first: where each is and what was last decided.

import './rollouts.css'
import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import { ApiError, answer, api } from '../api.ts'
import { useLive } from '../live.ts'
import { type PageProps, pages } from '../pages.ts'
import { EmptyState } from '../parts/empty-state.tsx'
import { ErrorState } from '../parts/error-state.tsx'
import { Loading } from '../parts/loading.tsx'
import { StateDot } from '../parts/state-dot.tsx'
import { Time } from '../parts/time.tsx'
import { useTypedText } from '../parts/typed-text.ts'
import { setQuery } from '../router.ts'
import { useMay } from '../session.ts'
import {
  hasEnded,
  presentStage,
  type Rollout,
  type RolloutState,
  rolloutStates,
  sentence,
  stageShown,
} from './words.ts'

/** What one looks for is one of these. */
const choices: readonly { key: string; title: string; states: readonly RolloutState[] }[] = [
  { key: '', title: 'All', states: [] },
  { key: 'open', title: 'Going on', states: ['draft', 'awaiting_approval', 'running', 'paused', 'rolling_back'] },
  { key: 'person', title: 'Wait for a person', states: ['draft', 'awaiting_approval', 'paused'] },
  { key: 'completed', title: 'Completed', states: ['completed'] },
  { key: 'back', title: 'Taken back or ended', states: ['rolled_back', 'aborted', 'superseded', 'rejected'] },
]

export function RolloutsPage({ address }: PageProps) {
  const choice = choices.find(({ key }) => key === (address.searchParams.get('state') ?? '')) ?? choices[0]
  const model = address.searchParams.get('model') ?? ''
  const { rows, hasMore, more, error, refresh } = useRollouts(choice?.states ?? [], model)
  const may = useMay()
  const canStart = may('operator', 'rollouts') && pages.some(({ path }) => path === '/rollouts/new')
  return (
    <div class="stack rollouts-page">
      <div class="title">
        <h1>Rollouts</h1>
        {canStart && (
          <a class="button primary" href="/rollouts/new">
            New rollout
          </a>
        )}
      </div>
      <div class="row filters">
        <div class="chips" role="group" aria-label="State">
          {choices.map(({ key, title }) => (
            <button
              key={key}
              type="button"
              class="chip"
              aria-pressed={key === choice?.key}
              onClick={() => setQuery('state', key)}
            >
              {title}
            </button>
          ))}
        </div>
        <ModelFilter value={model} />
      </div>
      {rows === undefined ? (
        error === undefined ? (
          <Loading rows={6} what="The rollouts are loading" />
        ) : (
          <ErrorState error={error} retry={refresh} />
        )
      ) : rows.length === 0 ? (
        <EmptyState title={choice?.key === '' && model === '' ? 'No rollouts yet' : 'No rollout is so'}>
          {choice?.key === '' && model === '' && (
            <p>
              {may('operator', 'rollouts') ? (
                <>
                  A rollout brings a version to a group of devices, in stages behind gates:{' '}
                  <code>roost rollout start</code>.
                </>
              ) : (
                'An operator starts them.'
              )}
            </p>
          )}
        </EmptyState>
      ) : (
        <>
          <ul class="rollouts">
            {rows.map((rollout) => (
              <li key={rollout.id}>
                <Row rollout={rollout} />
              </li>
            ))}
          </ul>
          {hasMore &&
            (more === undefined ? (
              <p class="quiet">There are older ones: filter by model to see them.</p>
            ) : (
              <button type="button" onClick={more}>
                Older ones
              </button>
            ))}
        </>
      )}
    </div>
  )
}

function Row({ rollout }: { rollout: Rollout }) {
  const { id, model, version, group, state, reason, stages, names } = rollout
  const { title, tone } = rolloutStates[state]
  const present = presentStage(stages)
  const by = rollout.startedBy ?? rollout.createdBy
  return (
    <article class="card">
      <div class="rollout-name">
        <p>
          <a href={`/rollouts/${encodeURIComponent(id)}`}>
            <b>
              {model} {version}
            </b>{' '}
            to {group}
          </a>
        </p>
        <StateDot tone={tone}>{title}</StateDot>
        <p class="quiet small">
          {rollout.startedBy === null ? 'Written' : 'Started'} by <span title={by}>{names[by] ?? by}</span>{' '}
          <Time at={rollout.createdAt} />
          {', decided '}
          <Time at={rollout.changedAt} />
        </p>
      </div>
      <div>
        <ol class="stage-marks" aria-label="Stages">
          {stages.map((stage) => (
            <li key={stage.name} class={stage === present && !hasEnded(state) ? 'present' : undefined}>
              <StateDot tone={stageShown(state, stage.state).tone}>{stage.name}</StateDot>
              <small class="quiet"> {stageShown(state, stage.state).title.toLowerCase()}</small>
            </li>
          ))}
        </ol>
        <p class="reason" title={reason}>
          {sentence(reason)}
        </p>
      </div>
    </article>
  )
}

function ModelFilter({ value }: { value: string }) {
  const [text, setText, sending] = useTypedText(value)
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)
  useEffect(() => () => clearTimeout(timer.current), [])
  return (
    <label class="inline">
      Model
      <input
        value={text}
        placeholder="all"
        spellcheck={false}
        onInput={({ currentTarget }) => {
          const next = currentTarget.value.trim()
          setText(currentTarget.value)
          clearTimeout(timer.current)
          timer.current = setTimeout(() => {
            sending(next)
            setQuery('model', next)
          }, settleMs)
        }}
      />
    </label>
  )
}

const settleMs = 400
const gatherMs = 500
const pageRows = 30
/** What is shown is asked for again when something changes, so much at the most. */
const shownMax = 180

/** The newest ones, as many as were asked for. */
function useRollouts(states: readonly RolloutState[], model: string) {
  const [rows, setRows] = useState<Rollout[]>()
  const [hasMore, setMore] = useState(false)
  const [wanted, setWanted] = useState(pageRows)
  const [error, setError] = useState<ApiError>()
  const asked = useRef(0)
  const key = states.join()
  const ask = useCallback(() => {
    const of = ++asked.current
    const query = { limit: wanted, ...(key !== '' && { state: key }), ...(model !== '' && { model }) }
    answer(api.GET('/v1/rollouts', { params: { query } })).then(
      (body) => {
        if (of !== asked.current) return
        setRows(body.rollouts)
        setMore(body.next !== null)
        setError(undefined)
      },
      (error: unknown) => {
        if (!(error instanceof ApiError)) throw error
        if (of === asked.current) setError(error)
      },
    )
  }, [key, model, wanted])
  useEffect(() => {
    setRows(undefined)
    setError(undefined)
  }, [key, model])
  useEffect(ask, [ask])
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)
  useLive(['rollouts'], () => {
    clearTimeout(timer.current)
    timer.current = setTimeout(ask, gatherMs)
  })
  useEffect(() => () => clearTimeout(timer.current), [])
  const more = wanted < shownMax ? () => setWanted(wanted + pageRows) : undefined
  return { rows, hasMore, more, error, refresh: ask }
}
