// What a runtime may tell of: the bundles it was given, and of these only what it saw itself. A model that took its
// process over can send anything that parses; progress, installations and other deployments are not for it to speak of.

import type { DeviceEvent, WindowReport } from '@roost/shared/protocol/records.ts'
import type { LoadedBundle, RuntimeMessage } from '../runtime/messages.ts'

/** What the process was told to run. */
export type Entrusted = {
  role: WindowReport['role']
  generation: number
  bundles: readonly LoadedBundle[]
}

/** Why a runtime that was entrusted with this cannot have meant the message honestly; undefined where it can. At most
 *  300 characters. Pure. */
export function falseClaim(message: RuntimeMessage, entrusted: Entrusted): string | undefined {
  switch (message.kind) {
    case 'event':
      return falseEvent(message.event, entrusted)
    case 'window':
      return falseWindow(message.report, entrusted)
    case 'checkpoint':
      return message.windows.map((window) => falseWindow(window, entrusted)).find((why) => why !== undefined)
    default:
      return undefined
  }
}

function falseEvent(event: DeviceEvent, entrusted: Entrusted): string | undefined {
  if (event.event !== 'drift') return `an event '${event.event}', which is not a runtime's to tell`
  return givenBundle(event, entrusted) === undefined
    ? `drift of '${event.deployment}' of a bundle that it was not given`
    : undefined
}

function falseWindow(window: WindowReport, entrusted: Entrusted): string | undefined {
  const manifest = givenBundle(window, entrusted)?.manifest
  if (manifest === undefined) return `a window of '${window.deployment}' of a bundle that it was not given`
  const isOwn =
    window.role === entrusted.role &&
    window.generation === entrusted.generation &&
    window.model === manifest.model &&
    window.version === manifest.version
  return isOwn ? undefined : `a window of '${window.deployment}' in another role, generation or version`
}

function givenBundle(
  { deployment, manifest }: Pick<WindowReport, 'deployment' | 'manifest'>,
  { bundles }: Entrusted,
): LoadedBundle | undefined {
  return bundles.find((one) => one.deployment === deployment && one.digest === manifest)
}
