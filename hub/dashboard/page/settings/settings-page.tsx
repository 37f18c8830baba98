// How this hub is set up: its keys and when they end, certificate, disk, broker, settings and bounds. Nothing is changed
// here; what can be is said as the command that does it.

import { answer, api } from '../api.ts'
import { ErrorState } from '../parts/error-state.tsx'
import { Loading } from '../parts/loading.tsx'
import { useResource } from '../resource.ts'
import { HubCards } from './hub-cards.tsx'
import { KeysCard } from './keys-card.tsx'
import './settings.css'
import { BoundsCard, SettingsCard } from './settings-cards.tsx'

export function SettingsPage() {
  const keys = useResource('keys', (signal) => answer(api.GET('/v1/keys', { signal })), ['settings'])
  const hub = useResource('settings', (signal) => answer(api.GET('/v1/settings', { signal })), ['settings'])
  return (
    <div class="stack">
      <div class="title">
        <h1>Settings</h1>
        {hub.value !== undefined && (
          <p class="quiet">
            Roost {hub.value.version} on Node {hub.value.node.replace('v', '')}
          </p>
        )}
      </div>
      {keys.value !== undefined && <KeysCard keys={keys.value} />}
      {keys.value === undefined &&
        (keys.error === undefined ? (
          <Loading rows={6} what="Keys are loading" />
        ) : (
          <ErrorState error={keys.error} retry={keys.refresh} />
        ))}
      {hub.value !== undefined && (
        <>
          <HubCards hub={hub.value} />
          <SettingsCard hub={hub.value} />
          <BoundsCard hub={hub.value} />
        </>
      )}
      {hub.value === undefined &&
        (hub.error === undefined ? (
          <Loading rows={6} what="Settings are loading" />
        ) : (
          <ErrorState error={hub.error} retry={hub.refresh} />
        ))}
    </div>
  )
}
