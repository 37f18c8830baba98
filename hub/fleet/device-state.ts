// The one word for how a device is, for those who look at thousands. Pure, and without imports: a browser runs it too.

export const deviceStates = ['connected', 'stale', 'aside', 'offline', 'waiting'] as const
/** `connected`: there, and well. `stale`: there, but without a fresh answer of the hub. `aside`: failed too often, left alone
 *  for a while. `offline`: was there. `waiting`: enrolled, and never heard of since. */
export type DeviceState = (typeof deviceStates)[number]

export type Presence = { connected: boolean; seen: boolean; stale: boolean; aside: boolean }

/** What an operator has to know first comes first: who is away can be nothing else. */
export function deviceState({ connected, seen, stale, aside }: Presence): DeviceState {
  if (!connected) return seen ? 'offline' : 'waiting'
  if (aside) return 'aside'
  return stale ? 'stale' : 'connected'
}
