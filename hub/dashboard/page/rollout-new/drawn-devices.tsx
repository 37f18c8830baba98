// Which device is in which stage, and why: asked for when somebody wants to see it, of the same draw.

import { useMemo, useState } from 'preact/hooks'
import { type Column, DataTable } from '../parts/data-table.tsx'
import { ErrorState } from '../parts/error-state.tsx'
import { Loading } from '../parts/loading.tsx'
import { counted } from '../parts/quantity.tsx'
import { useResource } from '../resource.ts'
import { ask, type Preview, type Wish } from './dry-run.ts'

/** The most that the hub names. */
const membersMax = 10_000

export function DrawnDevices({ preview, wish }: { preview: Preview; wish: Wish }) {
  const [isOpen, setOpen] = useState(false)
  return (
    <details onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>Which device is where, and why</summary>
      {isOpen && <Members preview={preview} wish={wish} />}
    </details>
  )
}

function Members({ preview, wish }: { preview: Preview; wish: Wish }) {
  const drawn = useResource(preview.id, (signal) => ask(wish, preview.id, membersMax, signal))
  const [stage, setStage] = useState('')
  const [sought, setSought] = useState('')
  const members = drawn.value?.members
  const shown = useMemo(
    () =>
      (members ?? []).filter(
        (member) =>
          (stage === '' || member.stage === stage || member.servesFrom === stage) &&
          member.device.includes(sought.trim()),
      ),
    [members, stage, sought],
  )
  if (drawn.error !== undefined) return <ErrorState error={drawn.error} retry={drawn.refresh} />
  if (members === undefined) return <Loading what="The devices are loading" />
  return (
    <div class="stack tight">
      <div class="row">
        <select aria-label="Stage" value={stage} onChange={({ currentTarget }) => setStage(currentTarget.value)}>
          <option value="">All stages</option>
          {preview.stages.map(({ name }) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
        <input
          aria-label="Device"
          placeholder="gateway-…"
          value={sought}
          onInput={({ currentTarget }) => setSought(currentTarget.value)}
        />
      </div>
      <p class="small quiet">
        {counted(shown.length, 'device')}
        {preview.devices > membersMax && `, of the first ${counted(membersMax, 'device')} of the line`}
      </p>
      <DataTable
        label={`Devices of the draw, ${counted(shown.length, 'row')}`}
        columns={columns}
        count={shown.length}
        rowAt={(index) => shown[index]}
        keyOf={({ device }) => device}
      />
    </div>
  )
}

const columns: Column<Preview['members'][number]>[] = [
  {
    key: 'device',
    title: 'Device',
    width: 'minmax(0, 1fr)',
    cell: ({ device }) => (
      <a href={`/devices/${encodeURIComponent(device)}`} class="mono" title={device}>
        {device}
      </a>
    ),
  },
  {
    key: 'stage',
    title: 'Stage',
    width: 'minmax(0, .8fr)',
    cell: ({ stage, servesFrom }) => <span>{stage === servesFrom ? stage : `${stage}, ${servesFrom}`}</span>,
  },
  { key: 'why', title: 'Why', width: 'minmax(0, 1.6fr)', cell: ({ why }) => <span title={why}>{why}</span> },
]
