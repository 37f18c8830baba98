// One device: how it is, what runs on it and why, all that happened to it, how it does, and what can be done about it.

import { useState } from 'preact/hooks'
import { deviceState } from '../../../fleet/device-state.ts'
import { answer, api } from '../api.ts'
import { states } from '../fleet/states.ts'
import type { PageProps } from '../pages.ts'
import { ErrorState } from '../parts/error-state.tsx'
import { Loading } from '../parts/loading.tsx'
import { StateDot } from '../parts/state-dot.tsx'
import { Tabs, tabOf } from '../parts/tabs.tsx'
import { Time } from '../parts/time.tsx'
import { useResource } from '../resource.ts'
import { DeviceActions } from './actions.tsx'
import './device.css'
import { DeviceDrift } from './drift-list.tsx'
import { DeviceFacts } from './facts.tsx'
import { Performance } from './performance.tsx'
import { Reasons } from './reasons.tsx'
import { Slots } from './slots-table.tsx'
import { Timeline } from './timeline.tsx'

const tabs = [
  { key: 'timeline', title: 'Timeline' },
  { key: 'performance', title: 'Latency, errors, resources' },
  { key: 'drift', title: 'Drift' },
] as const

export function DevicePage({ parameters, address }: PageProps) {
  const id = parameters.id ?? ''
  const [said, setSaid] = useState('')
  const path = { id }
  const topics = [`device:${id}`]
  const device = useResource(id, (signal) => answer(api.GET('/v1/devices/{id}', { params: { path }, signal })), topics)
  const reasons = useResource(
    id,
    (signal) => answer(api.GET('/v1/devices/{id}/reasons', { params: { path }, signal })),
    topics,
  )
  const { value, error } = device
  if (value === undefined) {
    if (error !== undefined) return <ErrorState error={error} retry={device.refresh} />
    return <Loading rows={8} what="The device is loading" />
  }
  const tab = tabOf(address, tabs)
  const onDone = (what: string) => {
    setSaid(what)
    device.refresh()
    reasons.refresh()
  }
  return (
    <div class="stack device">
      <div class="device-head">
        <div class="title">
          <h1 class="mono">{id}</h1>
          <DeviceState device={value} />
        </div>
        <DeviceActions device={value} onDone={onDone} />
      </div>
      <p class="quiet said" role="status">
        {said}
      </p>
      <Reasons reasons={reasons} />
      <div class="columns">
        <DeviceFacts device={value} onDone={onDone} />
        <Slots device={value} onDone={onDone} />
      </div>
      <Tabs label="More about the device" tabs={tabs} current={tab ?? 'timeline'} />
      {tab === 'performance' ? (
        <Performance device={id} />
      ) : tab === 'drift' ? (
        <DeviceDrift device={id} />
      ) : (
        <Timeline device={id} address={address} />
      )}
    </div>
  )
}

type Shown = Parameters<typeof DeviceFacts>[0]['device']

/** The state in a word, and since when it is so as far as the hub knows. */
function DeviceState({ device }: { device: Shown }) {
  const { connected, lastSeenAt, stale, asideUntil, revokedAt } = device
  if (revokedAt !== null) {
    return (
      <p class="row">
        <StateDot tone="bad">Revoked</StateDot> <Time at={revokedAt} />
      </p>
    )
  }
  const state = deviceState({ connected, seen: lastSeenAt !== null, stale: stale === true, aside: asideUntil !== null })
  const { tone, title } = states[state]
  return (
    <p class="row">
      <StateDot tone={tone}>{title}</StateDot>
      {state === 'offline' && lastSeenAt !== null && (
        <span>
          since <Time at={lastSeenAt} form="full" /> (<Time at={lastSeenAt} />)
        </span>
      )}
      {state === 'aside' && asideUntil !== null && (
        <span>
          until <Time at={asideUntil} form="full" />: it failed three times, and no rollout offers it anything
        </span>
      )}
      {state === 'stale' && <span>it has had no fresh answer of the hub, by its own word</span>}
      {state === 'waiting' && <span>it enrolled, and has not connected since</span>}
    </p>
  )
}
