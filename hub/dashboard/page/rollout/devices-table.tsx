// The devices of a rollout as a table: which stage each is in and why, how far it is, and what it says of a failure.

import { progressStates } from '@roost/shared/protocol/progress.ts'
import { useMemo, useState } from 'preact/hooks'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { EmptyState } from '../parts/empty-state.tsx'
import { ErrorState } from '../parts/error-state.tsx'
import { Loading } from '../parts/loading.tsx'
import { counted } from '../parts/quantity.tsx'
import { StateDot } from '../parts/state-dot.tsx'
import { Time } from '../parts/time.tsx'
import { type RolloutDevice, useMembers } from './members.ts'
import { inWords, placeOf, placeWords, type RolloutDetail } from './words.ts'

export function DevicesTable({ rollout }: { rollout: RolloutDetail }) {
  const [stage, setStage] = useState('')
  const [state, setState] = useState('')
  const [device, setDevice] = useState('')
  const states = useMemo(
    () => [...new Set(rollout.stages.flatMap(({ devices }) => Object.keys(devices)))].sort(),
    [rollout.stages],
  )
  const members = useMembers(rollout.id, {
    stage: stage === '' ? undefined : stage,
    state: progressStates.find((known) => known === state),
    device: device.trim(),
  })
  const { total, error } = members
  return (
    <div class="stack">
      <div class="row filters">
        <label>
          Stage
          <select value={stage} onChange={({ currentTarget }) => setStage(currentTarget.value)}>
            <option value="">All</option>
            {rollout.stages.map(({ name }) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <label>
          State
          <select value={state} onChange={({ currentTarget }) => setState(currentTarget.value)}>
            <option value="">All</option>
            {states.map((name) => (
              <option key={name} value={name}>
                {inWords(name)}
              </option>
            ))}
          </select>
        </label>
        <label class="grow">
          Device
          <input
            value={device}
            placeholder="a part of its id"
            spellcheck={false}
            onInput={({ currentTarget }) => setDevice(currentTarget.value)}
          />
        </label>
      </div>
      {error !== undefined ? (
        <ErrorState error={error} />
      ) : total === undefined ? (
        <Loading rows={6} what="The devices are loading" />
      ) : total === 0 ? (
        <EmptyState title="No device is so">
          {rollout.state === 'draft' && <p>The members are frozen when the rollout starts.</p>}
        </EmptyState>
      ) : (
        <DataTable
          label={`Devices of the rollout, ${counted(total, 'row')}`}
          columns={columns}
          count={total}
          rowAt={members.rowAt}
          keyOf={(member) => member.device}
          hrefOf={(member) => `/devices/${encodeURIComponent(member.device)}`}
          onVisible={members.onVisible}
        />
      )}
    </div>
  )
}

const columns: Column<RolloutDevice>[] = [
  {
    key: 'device',
    title: 'Device',
    width: 'minmax(0, 1.4fr)',
    cell: ({ device }) => (
      <a class="mono" href={`/devices/${encodeURIComponent(device)}`} title={device}>
        {device}
      </a>
    ),
  },
  {
    key: 'state',
    title: 'State',
    width: 'minmax(120px, 1.1fr)',
    cell: ({ state }) => <StateDot tone={placeWords[placeOf(state)].tone}>{inWords(state)}</StateDot>,
  },
  {
    key: 'stage',
    title: 'Stage',
    width: 'minmax(0, .8fr)',
    cell: ({ stage, servesFrom }) => (stage === servesFrom ? stage : `${stage}, then ${servesFrom}`),
  },
  {
    key: 'why',
    title: 'What it says',
    width: 'minmax(0, 2fr)',
    isWideOnly: true,
    cell: ({ reason, detail, leftOut }) => {
      const said = [
        reason === null ? '' : inWords(reason),
        detail ?? '',
        leftOut === null ? '' : `left out: ${leftOut}`,
      ]
      const text = said.filter((part) => part !== '').join(': ')
      return <span title={text}>{text === '' ? '–' : text}</span>
    },
  },
  {
    key: 'offered',
    title: 'Offered',
    width: 'minmax(0, .9fr)',
    isWideOnly: true,
    cell: ({ offeredAt }) => (offeredAt === null ? '–' : <Time at={offeredAt} />),
  },
  { key: 'attempt', title: 'Attempt', width: '64px', isWideOnly: true, isNumber: true, cell: ({ attempt }) => attempt },
  {
    key: 'drawn',
    title: 'Drawn within',
    width: 'minmax(0, 1.2fr)',
    isWideOnly: true,
    cell: ({ stratum, rank }) => <span title={`hash ${rank}`}>{stratum}</span>,
  },
]
