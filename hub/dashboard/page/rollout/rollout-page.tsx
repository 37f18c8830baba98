// One rollout, as it happens and as it is remembered: what was decided, where the devices are, what the gates say.

import './rollout.css'
import { useMemo } from 'preact/hooks'
import { answer, api } from '../api.ts'
import type { PageProps } from '../pages.ts'
import { ErrorState } from '../parts/error-state.tsx'
import { Facts } from '../parts/facts.tsx'
import { Loading } from '../parts/loading.tsx'
import { StateDot } from '../parts/state-dot.tsx'
import { Tabs, tabOf } from '../parts/tabs.tsx'
import { Time } from '../parts/time.tsx'
import { useResource } from '../resource.ts'
import { Actions } from './actions.tsx'
import { Approvals } from './approvals.tsx'
import { DevicesTable } from './devices-table.tsx'
import { GatesPanel } from './gates-panel.tsx'
import { History } from './history.tsx'
import { PlanText } from './plan-text.tsx'
import { Record } from './record.tsx'
import { StageTrack } from './stage-track.tsx'
import { hasEnded, inWords, presentStage, type RolloutDetail, rolloutStates, sentence } from './words.ts'

const tabs = [
  { key: 'gates', title: 'Gates' },
  { key: 'devices', title: 'Devices' },
  { key: 'history', title: 'History' },
  { key: 'plan', title: 'Plan' },
  { key: 'record', title: 'Record' },
] as const

export function RolloutPage({ parameters: { id = '' }, address }: PageProps) {
  const topics = [`rollout:${id}`]
  const detail = useResource(
    id,
    (signal) => answer(api.GET('/v1/rollouts/{id}', { params: { path: { id } }, signal })),
    topics,
  )
  const looks = useResource(
    `${id} looks`,
    (signal) => answer(api.GET('/v1/rollouts/{id}/looks', { params: { path: { id } }, signal })),
    topics,
  )
  const rollout = detail.value
  const stage = useMemo(() => {
    const named = rollout?.stages.find(({ name }) => name === address.searchParams.get('stage'))
    return named ?? (rollout === undefined ? undefined : presentStage(rollout.stages))
  }, [rollout, address])
  if (rollout === undefined)
    return detail.error === undefined ? (
      <Loading rows={8} what="The rollout is loading" />
    ) : (
      <ErrorState error={detail.error} retry={detail.refresh} />
    )
  const tab = tabOf(address, tabs)
  return (
    <div class="stack rollout">
      <Head rollout={rollout} onDone={detail.refresh} />
      {rollout.stages.length > 0 && <StageTrack rollout={rollout} chosen={stage?.name} />}
      <Tabs label="Parts of the rollout" tabs={tabs} current={tab ?? 'gates'} />
      {tab === 'gates' &&
        stage !== undefined &&
        (looks.value === undefined && looks.error !== undefined ? (
          <ErrorState error={looks.error} retry={looks.refresh} />
        ) : looks.value === undefined ? (
          <Loading rows={6} what="The gates are loading" />
        ) : (
          <GatesPanel rollout={rollout} stage={stage} looks={looks.value.looks} />
        ))}
      {tab === 'devices' && <DevicesTable rollout={rollout} />}
      {tab === 'history' && <History id={id} />}
      {tab === 'plan' && <PlanText rollout={rollout} />}
      {tab === 'record' && <Record id={id} />}
    </div>
  )
}

function Head({ rollout, onDone }: { rollout: RolloutDetail; onDone: () => void }) {
  const { id, model, version, group, query, deployment, state, reason, waits, warnings, unableToRollBack } = rollout
  const { title, tone } = rolloutStates[state]
  return (
    <>
      <div class="title">
        <h1>
          {model} {version} to {group}
        </h1>
        <StateDot tone={tone}>{title}</StateDot>
        <span class="quiet">
          {hasEnded(state) ? 'ended ' : 'since '}
          <Time at={rollout.changedAt} />
        </span>
      </div>
      <div class={`card decision ${tone}`}>
        <p class="decided">{sentence(reason)}</p>
        {waits !== null && (
          <p>
            It waits for {waits.for}
            {waits.until !== null && (
              <>
                , until <Time at={waits.until} form="full" />
              </>
            )}
            .
          </p>
        )}
        {unableToRollBack.length > 0 && (
          <p class="fault" role="alert">
            Somebody must look at{' '}
            {unableToRollBack.map((device, n) => (
              <>
                {n > 0 && ', '}
                <a class="mono" href={`/devices/${encodeURIComponent(device)}`}>
                  {device}
                </a>
              </>
            ))}
            : {unableToRollBack.length === 1 ? 'it says that it cannot' : 'they say that they cannot'} go back to what
            ran there before.
          </p>
        )}
        <Actions rollout={rollout} onDone={onDone} />
      </div>
      <div class="columns head-facts">
        <Facts
          facts={[
            ['Rollout', <span class="mono">{id}</span>],
            [
              'Version',
              <a href={`/models/${encodeURIComponent(model)}/${version}`}>
                {model} {version}
              </a>,
            ],
            ['Group', <a href={`/fleet?query=${encodeURIComponent(query)}`}>{`${group} (${query})`}</a>],
            ['Deployment', deployment === model ? null : <span class="mono">{deployment}</span>],
          ]}
        />
        <Facts
          facts={[
            rollout.startedBy === null
              ? ['Written by', <Who rollout={rollout} actor={rollout.createdBy} at={rollout.createdAt} />]
              : ['Started by', <Who rollout={rollout} actor={rollout.startedBy} at={rollout.createdAt} />],
            ['Approvals', rollout.approvals.length === 0 ? null : <Approvals rollout={rollout} />],
            [
              'Doubtful',
              warnings.length === 0 ? null : (
                <ul class="plain-list">
                  {warnings.map(({ detail }) => (
                    <li key={detail}>{sentence(detail)}</li>
                  ))}
                </ul>
              ),
            ],
          ]}
        />
      </div>
    </>
  )
}

function Who({ rollout: { names }, actor, at }: { rollout: RolloutDetail; actor: string; at: string }) {
  return (
    <>
      <span title={actor}>{names[actor] ?? inWords(actor)}</span> <Time at={at} form="full" />
    </>
  )
}
