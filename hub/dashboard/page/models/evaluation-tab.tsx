// How good a version is: the figures of one evaluation beside the champion's, then where it is worst.

import { useState } from 'preact/hooks'
import { answer, api } from '../api.ts'
import type { components } from '../api-types.d.ts'
import { Actor } from '../parts/actor.tsx'
import { AuditLink } from '../parts/audit-link.tsx'
import { ConfirmDialog } from '../parts/confirm-dialog.tsx'
import { EmptyState } from '../parts/empty-state.tsx'
import { ErrorState } from '../parts/error-state.tsx'
import { Facts } from '../parts/facts.tsx'
import { Loading } from '../parts/loading.tsx'
import { counted, grouped } from '../parts/quantity.tsx'
import { Time } from '../parts/time.tsx'
import { useResource } from '../resource.ts'
import { setQuery } from '../router.ts'
import { useMay } from '../session.ts'
import { EvaluateDialog } from './evaluate-dialog.tsx'
import { Fairness } from './fairness.tsx'
import { FiguresTable } from './figures-table.tsx'
import { datasetHref, versionHref } from './links.ts'
import { Slices } from './slices.tsx'
import { EvaluationDot } from './stages.tsx'

type Version = components['schemas']['Version']
type Listed = components['schemas']['ListedEvaluation']
type Evaluation = components['schemas']['Evaluation']

const listedMax = 50

export function EvaluationTab({
  version,
  wanted,
  say,
}: {
  version: Version
  /** The id in the address. */
  wanted: string | null
  say: (text: string) => void
}) {
  const { model: name, version: number } = version
  const may = useMay()
  const [isAsking, setAsking] = useState(false)
  const list = useResource(
    `evaluations ${name} ${number}`,
    (signal) =>
      answer(
        api.GET('/v1/models/{name}/versions/{version}/evaluations', {
          params: { path: { name, version: String(number) }, query: { limit: listedMax } },
          signal,
        }),
      ),
    ['models'],
  )
  const mayEvaluate = may('ci', 'models') || may('operator', 'models')
  const evaluations = list.value?.evaluations
  const chosen =
    evaluations?.find(({ id }) => id === wanted) ??
    evaluations?.find(({ state }) => state === 'succeeded') ??
    evaluations?.[0]
  if (evaluations === undefined) {
    return list.error === undefined ? <Loading rows={6} /> : <ErrorState error={list.error} retry={list.refresh} />
  }
  return (
    <div class="stack">
      <div class="row wrap">
        {evaluations.length > 0 && (
          <label class="inline">
            Evaluation
            <select
              value={chosen?.id ?? ''}
              onChange={({ currentTarget }) => setQuery('evaluation', currentTarget.value)}
            >
              {evaluations.map((one) => (
                <option key={one.id} value={one.id}>
                  {optionText(one)}
                </option>
              ))}
            </select>
          </label>
        )}
        {mayEvaluate && (
          <button type="button" onClick={() => setAsking(true)}>
            Evaluate…
          </button>
        )}
      </div>
      {chosen === undefined ? (
        <EmptyState title="Not evaluated yet">
          <p>
            The hub runs a version over a dataset snapshot and measures it beside the champion
            {mayEvaluate ? '.' : ': somebody with the scope ci or operator asks for it.'}
          </p>
        </EmptyState>
      ) : (
        <Shown key={chosen.id} listed={chosen} mayCancel={mayEvaluate} say={say} />
      )}
      {isAsking && (
        <EvaluateDialog
          version={version}
          before={evaluations[0]?.request}
          onDone={(id) => {
            say('The evaluation waits for its turn; its figures appear here when it is done.')
            setQuery('evaluation', id)
            list.refresh()
          }}
          onClose={() => setAsking(false)}
        />
      )}
    </div>
  )
}

const optionText = ({ createdAt, state, request, dataset }: Listed): string =>
  `${createdAt.slice(0, 16).replace('T', ' ')} UTC, ${state}, ${datasetText(request.dataset, dataset)}`

/** A snapshot by name and number has a page; one that was named by its digest alone is shown so. */
function DatasetLink({ asked, digest }: { asked: string; digest: string }) {
  const short = <code title={digest}>{digest.slice(0, 12)}…</code>
  const at = asked.lastIndexOf('/')
  if (at < 1) return short
  return (
    <>
      <a href={`${datasetHref(asked.slice(0, at))}?snapshot=${asked.slice(at + 1)}`}>{asked}</a> {short}
    </>
  )
}

/** As it was asked for, unless that is a digest. */
const datasetText = (asked: string, digest: string): string =>
  /^[0-9a-f]{64}$/.test(asked) ? `${digest.slice(0, 12)}…` : asked

function Shown({ listed, mayCancel, say }: { listed: Listed; mayCancel: boolean; say: (text: string) => void }) {
  const path = { name: listed.model, version: listed.version, id: listed.id }
  const [isCancelling, setCancelling] = useState(false)
  const found = useResource(
    `evaluation ${listed.id}`,
    (signal) => answer(api.GET('/v1/models/{name}/versions/{version}/evaluations/{id}', { params: { path }, signal })),
    ['models'],
  )
  const evaluation = found.value
  if (evaluation === undefined) {
    return found.error === undefined ? <Loading rows={6} /> : <ErrorState error={found.error} retry={found.refresh} />
  }
  const isOpen = evaluation.state === 'queued' || evaluation.state === 'running'
  return (
    <>
      <About evaluation={evaluation} />
      {isOpen && (
        <p class="notice">
          {evaluation.state === 'queued' ? 'It waits for its turn.' : 'It runs.'} One at a time is measured; this page
          shows the figures when they are there.{' '}
          {mayCancel && (
            <button type="button" onClick={() => setCancelling(true)}>
              Cancel it…
            </button>
          )}
        </p>
      )}
      {evaluation.reason !== null && !isOpen && (
        <p class="notice bad">
          {evaluation.state}: {evaluation.reason}
        </p>
      )}
      {evaluation.result != null && <Result result={evaluation.result} model={listed.model} />}
      {isCancelling && (
        <ConfirmDialog
          title="Cancel this evaluation"
          action="Cancel it"
          isDanger
          onConfirm={async () => {
            await answer(api.POST('/v1/models/{name}/versions/{version}/evaluations/{id}/cancel', { params: { path } }))
            say('The evaluation is cancelled.')
            found.refresh()
          }}
          onClose={() => setCancelling(false)}
        >
          <p>What it has measured so far is not kept.</p>
        </ConfirmDialog>
      )}
    </>
  )
}

function About({ evaluation }: { evaluation: Evaluation }) {
  const { request, dataset, champion, result } = evaluation
  const left = result === null || result === undefined ? undefined : result.rowsLeftOut
  const leftOut = left === undefined ? 0 : left.unlabelled + left.unplaced + left.unanswered
  return (
    <section class="card" aria-label="About this evaluation">
      <Facts
        facts={[
          ['State', <EvaluationDot key="s" state={evaluation.state} />],
          [
            'Asked for',
            <>
              <Time at={evaluation.createdAt} /> by <Actor actor={evaluation.createdBy} />{' '}
              <AuditLink subject={`evaluation:${evaluation.id}`}>audit</AuditLink>
            </>,
          ],
          [
            'Dataset',
            <>
              <DatasetLink asked={request.dataset} digest={dataset} />, against the column <code>{request.label}</code>
            </>,
          ],
          [
            'Champion',
            champion === null ? (
              (result?.noChampion ?? 'none')
            ) : (
              <a href={versionHref(evaluation.model, champion.version)}>v{champion.version}</a>
            ),
          ],
          [
            'Rows',
            result == null
              ? null
              : `${grouped(result.rows)} measured, ${counted(leftOut, 'row')} left out; intervals of ${Math.round(100 * result.interval.level)} % by ${grouped(result.interval.resamples)} resamples, by ${result.interval.by}`,
          ],
        ]}
      />
    </section>
  )
}

function Result({ result, model }: { result: NonNullable<Evaluation['result']>; model: string }) {
  const unmeasured = Object.entries(result.unmeasured)
  return (
    <>
      <FiguresTable result={result} model={model} />
      <Slices result={result} />
      <Fairness result={result} />
      {result.importance !== null && 'inputs' in result.importance && <Importance importance={result.importance} />}
      {unmeasured.length > 0 && (
        <section class="card stack" aria-labelledby="unmeasured">
          <h2 id="unmeasured">Not measured</h2>
          <Facts facts={unmeasured} />
        </section>
      )}
    </>
  )
}

type Importances = Extract<NonNullable<NonNullable<Evaluation['result']>['importance']>, { inputs: unknown }>
const importancesMax = 12

/** What is lost of the figure when an input is shuffled. */
function Importance({ importance }: { importance: Importances }) {
  const inputs = importance.inputs.toSorted((a, b) => b.mean - a.mean)
  const most = Math.max(Number.MIN_VALUE, ...inputs.map(({ mean }) => mean))
  return (
    <section class="card stack" aria-labelledby="importance">
      <h2 id="importance">What the answer rests on</h2>
      <p class="quiet">
        Loss of {importance.by} when one input is shuffled, the mean of {grouped(importance.repeats)} times over{' '}
        {counted(importance.rows, 'row')}.
      </p>
      <ul class="bars">
        {inputs.slice(0, importancesMax).map(({ input, mean, deviation }) => (
          <li key={input}>
            <code class="clipped" title={input}>
              {input}
            </code>
            <span class="bar">
              <span class="accent" style={{ width: `${Math.max(0, (100 * mean) / most)}%` }} />
            </span>
            <span class="quantity" title={`standard deviation ${deviation}`}>
              {mean.toFixed(4)}
            </span>
          </li>
        ))}
      </ul>
      {inputs.length > importancesMax && (
        <p class="quiet">and {counted(inputs.length - importancesMax, 'more input')} that matter less</p>
      )}
    </section>
  )
}
