// One run: where it came from, what it was told, what it measured, what it left, and what came of it.

import { useMemo } from 'preact/hooks'
import { answer, api } from '../api.ts'
import type { components } from '../api-types.d.ts'
import type { PageProps } from '../pages.ts'
import { AuditLink } from '../parts/audit-link.tsx'
import { ErrorState } from '../parts/error-state.tsx'
import { Facts } from '../parts/facts.tsx'
import { Loading } from '../parts/loading.tsx'
import { StateDot } from '../parts/state-dot.tsx'
import { Time } from '../parts/time.tsx'
import { useResource } from '../resource.ts'
import { Curves } from './curves.tsx'
import { RunFiles } from './run-files.tsx'
import { type Double, figure, ranFor, statuses } from './run-values.ts'
import './runs.css'

type RunDetail = components['schemas']['RunDetail']

export function RunPage({ parameters, address }: PageProps) {
  const { id = '' } = parameters
  const topics = useMemo(() => [`run:${id}`], [id])
  const run = useResource(
    id,
    (signal) => answer(api.GET('/v1/runs/{id}', { params: { path: { id } }, signal })),
    topics,
  )
  if (run.value === undefined) {
    return run.error === undefined ? <Loading rows={8} /> : <ErrorState error={run.error} retry={run.refresh} />
  }
  const { value } = run
  return (
    <div class="stack runs-page">
      <div class="title">
        <h1>{value.name}</h1>
        <StateDot tone={statuses[value.status].tone}>{statuses[value.status].title}</StateDot>
        {value.deleted && <span class="fault">Deleted</span>}
        <span class="quiet">
          <AuditLink subject={`run:${id}`} />
        </span>
      </div>
      <div class="columns">
        <section class="card stack">
          <h2>Where it came from</h2>
          <Facts facts={originOf(value)} />
        </section>
        <section class="card stack">
          <h2>What came of it</h2>
          <Outcome run={value} />
        </section>
      </div>
      <Curves runs={[value]} metrics={Object.keys(value.metrics).sort()} address={address} topics={topics} />
      <div class="columns">
        <Pairs title="Params" of={value.params} none="It was told none." />
        <Pairs title="Metrics" of={value.metrics} none="It has logged none." isNumber />
      </div>
      <div class="columns">
        <Pairs title="Tags" of={ownTags(value.tags)} none="It has none." />
        <RunFiles id={id} topics={topics} />
      </div>
    </div>
  )
}

function originOf(run: RunDetail) {
  const tag = (name: string) => run.tags[`mlflow.${name}`]
  const commit = tag('source.git.commit')
  return [
    ['Run', <span class="mono">{run.id}</span>],
    ['Experiment', <a href={`/runs?experiment=${run.experiment}`}>{run.experimentName}</a>],
    ['By', run.user === '' ? undefined : run.user],
    ['Started', run.startedAt === null ? undefined : <Time at={run.startedAt} form="full" />],
    ['Ended', run.endedAt === null ? undefined : <Time at={run.endedAt} form="full" />],
    ['Took', ranFor(run)],
    ['Source', tag('source.name') && <span class="mono">{tag('source.name')}</span>],
    ['Commit', commit && <span class="mono">{commit}</span>],
    [
      'Datasets',
      run.datasets.length === 0
        ? undefined
        : run.datasets.map(({ name, digest, context }) => (
            <div key={`${name}@${digest}`}>
              {name} <span class="mono quiet">{digest}</span> {context !== null && `(${context})`}
            </div>
          )),
    ],
  ] as const
}

function Outcome({ run }: { run: RunDetail }) {
  if (run.versions.length === 0 && run.loggedModels.length === 0)
    return <p class="quiet">No model was logged, and no version registered from it.</p>
  return (
    <Facts
      facts={[
        [
          'Versions',
          run.versions.length === 0
            ? 'none registered'
            : run.versions.map(({ model, version }) => (
                <div key={`${model}/${version}`}>
                  <a href={`/models/${encodeURIComponent(model)}/${version}`}>
                    {model} {version}
                  </a>
                </div>
              )),
        ],
        [
          'Logged models',
          run.loggedModels.length === 0
            ? undefined
            : run.loggedModels.map(({ id, name }) => (
                <div key={id}>
                  {name} <span class="mono quiet">{id}</span>
                </div>
              )),
        ],
      ]}
    />
  )
}

type PairsProps = { title: string; of: Record<string, Double | string>; none: string; isNumber?: boolean }

function Pairs({ title, of, none, isNumber = false }: PairsProps) {
  const pairs = Object.entries(of).sort(([a], [b]) => (a < b ? -1 : 1))
  return (
    <section class="card stack">
      <h2>{title}</h2>
      {pairs.length === 0 ? (
        <p class="quiet">{none}</p>
      ) : (
        <table class="pairs">
          <tbody>
            {pairs.map(([key, value]) => (
              <tr key={key}>
                <th scope="row">{key}</th>
                <td class={isNumber ? 'number' : undefined} title={String(value)}>
                  {isNumber ? figure(value as Double) : String(value)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  )
}

/** What is told elsewhere on the page is left out. */
const ownTags = (tags: Record<string, string>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(tags).filter(
      ([key]) => !['mlflow.runName', 'mlflow.source.name', 'mlflow.source.git.commit'].includes(key),
    ),
  )
