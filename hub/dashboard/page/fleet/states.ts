// What the states of devices are called, and how they look.

import type { DeviceState } from '../../../fleet/device-state.ts'
import type { Tone } from '../parts/tone.ts'

export const states: Record<DeviceState, { title: string; tone: Tone }> = {
  connected: { title: 'Connected', tone: 'good' },
  stale: { title: 'Stale', tone: 'warn' },
  aside: { title: 'Set aside', tone: 'warn' },
  offline: { title: 'Offline', tone: 'bad' },
  waiting: { title: 'Never seen', tone: 'idle' },
}
