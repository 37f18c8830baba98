// What a device says of itself: everything that runs, what serves first, and never more than a hello can hold.

import { Hello } from '@roost/shared/protocol/messages.ts'
import { expect, test } from 'vitest'
import { describeDevice } from '../../../agent/control/hello.ts'
import type { Bundle } from '../../../agent/reconcile/bundle-set.ts'
import { emptySlots } from '../../../agent/reconcile/slots.ts'

const aBundle = (deployment: string, letter: string): Bundle => ({
  deployment,
  manifest: letter.repeat(64),
  model: 'demo',
  version: 1,
  attempt: 1,
})

const helloOf = (serving: number, shadowing: number) => {
  const names = (count: number) => Array.from({ length: count }, (_, i) => `place-${i}`)
  const described = describeDevice({
    agent: 'test/1',
    profile: 'generic-x64',
    pinned: { rootVersion: 1, generation: 7 },
    slots: { ...emptySlots, current: { generation: 7, bundles: names(serving).map((name) => aBundle(name, 'a')) } },
    shadows: names(shadowing).map((name) => ({ ...aBundle(name, 'b'), role: 'shadow' as const, sample: 0.1 })),
    outbox: { epoch: '0'.repeat(16), head: 0, tail: 0 },
  })
  return Hello.parse({ ...described, nonce: new Uint8Array(16), stale: false })
}

test('a hello tells what serves and the shadows that run beside it', () => {
  expect(helloOf(2, 1).slots).toMatchObject([
    { deployment: 'place-0', manifest: 'a'.repeat(64), state: 'succeeded' },
    { deployment: 'place-1', manifest: 'a'.repeat(64), state: 'succeeded' },
    { deployment: 'place-0', manifest: 'b'.repeat(64), state: 'shadowing' },
  ])
})

test('with more than it can hold it tells what serves', () => {
  const { slots } = helloOf(60, 20)
  expect(slots).toHaveLength(64)
  expect(slots.slice(0, 60).every(({ state }) => state === 'succeeded')).toBe(true)
})
