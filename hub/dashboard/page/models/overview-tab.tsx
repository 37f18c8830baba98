// A version at a glance: who shipped it, where it runs, by which rollouts it came there, what goes in and out.

import { answer, api } from '../api.ts'
import type { components } from '../api-types.d.ts'
import { Actor } from '../parts/actor.tsx'
import { auditHref, useMayAudit } from '../parts/audit-link.tsx'
import { ErrorState } from '../parts/error-state.tsx'
import { Facts } from '../parts/facts.tsx'
import { Loading } from '../parts/loading.tsx'
import { counted, grouped, inBytes } from '../parts/quantity.tsx'
import { Time } from '../parts/time.tsx'
import { useResource } from '../resource.ts'
import { DevicesRunning } from './devices-running.tsx'
import { shortNumber } from './figures.ts'
import { rolloutHref, runHref } from './links.ts'
import { ModelDrift } from './model-drift.tsx'
import { type Step, shippedSteps } from './shipped.ts'
import { RolloutDot } from './stages.tsx'
import { Tensors } from './tensors.tsx'
import { WhereItRuns } from './where-it-runs.tsx'

type Version = components['schemas']['Version']

/** Of each kind of which there may be many. */
const shownMax = 20

export function OverviewTab({ version }: { version: Version }) {
  const { model, version: number } = version
  const around = useResource(`around ${model} ${number}`, (signal) => loadAround(model, number, signal), [
    'models',
    'rollouts',
  ])
  const fleet = useResource(
    `fleet ${model} ${number}`,
    (signal) => answer(api.GET('/v1/fleet', { params: { query: { model, version: number } }, signal })),
    ['fleet'],
  )
  const { value, error } = around
  return (
    <div class="stack">
      {value === undefined ? (
        error === undefined ? (
          <Loading rows={2} />
        ) : (
          <ErrorState error={error} retry={around.refresh} />
        )
      ) : (
        <Shipped steps={shippedSteps(version, value.evaluations, value.requests, value.moves, value.rollouts)} />
      )}
      <div class="columns">
        {fleet.value === undefined ? (
          <section class="card">
            {fleet.error === undefined ? <Loading rows={3} /> : <ErrorState error={fleet.error} />}
          </section>
        ) : (
          <WhereItRuns summary={fleet.value} model={model} />
        )}
        <section class="card stack" aria-labelledby="rollouts">
          <h2 id="rollouts">Rollouts of it</h2>
          {value === undefined ? (
            <Loading rows={2} />
          ) : value.rollouts.length === 0 ? (
            <p class="quiet">None yet.</p>
          ) : (
            <ul class="lines">
              {value.rollouts.map(({ id, group, state, reason, startedBy, createdAt }) => (
                <li key={id}>
                  <a href={rolloutHref(id)}>to {group}</a> <RolloutDot state={state} />
                  <small class="quiet">
                    {' '}
                    <Time at={createdAt} />
                    {startedBy !== null && (
                      <>
                        {' '}
                        by <Actor actor={startedBy} />
                      </>
                    )}
                  </small>
                  {reason !== '' && <small class="quiet block">{reason}</small>}
                </li>
              ))}
            </ul>
          )}
        </section>
      </div>
      {fleet.value !== undefined && fleet.value.total > 0 && <DevicesRunning model={model} version={number} />}
      <div class="columns">
        <About version={version} />
        <div class="stack">
          <section class="card stack" aria-labelledby="tensors">
            <h2 id="tensors">Inputs and outputs</h2>
            <Tensors onnx={version.onnx} />
          </section>
          <ModelDrift model={model} version={number} />
        </div>
      </div>
    </div>
  )
}

async function loadAround(model: string, number: number, signal: AbortSignal) {
  const path = { name: model, version: String(number) }
  const [{ evaluations }, { requests, moves }, { rollouts }] = await Promise.all([
    answer(
      api.GET('/v1/models/{name}/versions/{version}/evaluations', {
        params: { path, query: { limit: shownMax } },
        signal,
      }),
    ),
    answer(api.GET('/v1/models/{name}/versions/{version}/promotion', { params: { path }, signal })),
    answer(api.GET('/v1/rollouts', { params: { query: { model, version: number, limit: shownMax } }, signal })),
  ])
  return { evaluations, requests, moves, rollouts }
}

/** One sentence; each part of it leads to where the audit log tells it, for who may read that. */
function Shipped({ steps }: { steps: readonly Step[] }) {
  const mayAudit = useMayAudit()
  return (
    <p class="card shipped">
      {steps.map(({ actors, what, at, subject, href }, n) => (
        <span key={`${subject} ${what}`}>
          {n > 0 && (n === steps.length - 1 ? ' and ' : ', ')}
          {actors.length === 0
            ? 'somebody'
            : actors.map((actor, m) => (
                <span key={actor}>
                  {m > 0 && (m === actors.length - 1 ? ' and ' : ', ')}
                  <b>
                    <Actor actor={actor} />
                  </b>
                </span>
              ))}{' '}
          <StepLink href={href ?? (mayAudit ? auditHref({ subject }) : undefined)}>{what}</StepLink>{' '}
          {at !== '' && <Time at={at} />}
          {mayAudit && href !== undefined && (
            <>
              {' '}
              (<a href={auditHref({ subject })}>audit</a>)
            </>
          )}
        </span>
      ))}
      .
    </p>
  )
}

const StepLink = ({ href, children }: { href: string | undefined; children: string }) =>
  href === undefined ? <span>{children}</span> : <a href={href}>{children}</a>

function About({ version }: { version: Version }) {
  const { onnx, task, limits, window, baseline, metrics, tags } = version
  return (
    <section class="card stack" aria-labelledby="about">
      <h2 id="about">About</h2>
      <Facts
        facts={[
          ['Registered', <Registered key="r" {...version} />],
          ['Run', version.run === null ? null : <a href={runHref(version.run)}>{version.run}</a>],
          ['Commit', version.commit === null ? null : <code>{version.commit}</code>],
          ['Framework', version.framework],
          ['Source', version.source],
          ['Dataset', version.dataset],
          ['Task', task === null ? 'not said' : `${task.kind} of ${task.output}, from ${task.threshold}`],
          ['Graph', `ONNX opset ${onnx.opset}, ${counted(onnx.nodes, 'node')}, ${grouped(onnx.parameters)} parameters`],
          [
            'Limits',
            `${inBytes(limits.memoryBytes)} of memory, ${grouped(limits.inferenceMs)} ms an inference, ${grouped(limits.trialMs)} ms of trial`,
          ],
          [
            'Window',
            `${grouped(window.seconds)} s${window.rows === undefined ? '' : ` or ${counted(window.rows, 'row')}`}`,
          ],
          [
            'Baseline',
            baseline.noVerdict ?? `${counted(baseline.columns, 'column')} of ${counted(baseline.rows, 'row')}`,
          ],
          ...Object.entries(metrics).map(([name, value]) => [`${name}, as reported`, shortNumber(value)] as const),
          ...Object.entries(tags).map(([name, value]) => [name, value] as const),
        ]}
      />
    </section>
  )
}

const Registered = ({ createdAt, createdBy }: Version) => (
  <>
    <Time at={createdAt} form="full" /> by <Actor actor={createdBy} />
  </>
)
