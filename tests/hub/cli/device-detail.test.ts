// What `roost device show` prints.

import { expect, test } from 'vitest'
import { detailLines } from '../../../hub/cli/fleet.ts'

test('says what is wanted, and why a device refused or failed, in its own words', () => {
  const at = '2026-11-26T06:25:21.000Z'
  const row = { deployment: 'motes', manifest: 'ab'.repeat(32), model: 'motes', attempt: 1, changedAt: at }
  const detail = 'is 2000133 bytes, this device keeps 1500000'
  const lines = detailLines({
    id: 'd-1',
    labels: {},
    profile: 'tiny',
    agent: '0.1.0',
    connected: true,
    enrolledAt: at,
    lastSeenAt: at,
    rootVersion: 1,
    stale: false,
    generation: 2,
    reportedGeneration: 2,
    revokedAt: null,
    asideUntil: null,
    desired: [
      {
        ...row,
        manifest: 'ab'.repeat(32),
        version: 2,
        role: 'primary',
        sample: null,
        generation: 2,
        changedBy: 'r-1',
      },
    ],
    reported: [
      { ...row, version: 2, running: false, state: 'rejected', reason: 'incompatible', detail },
      { ...row, version: 1, running: true, state: 'succeeded', reason: null, detail: null },
    ],
  })
  const wanted = lines.slice(lines.indexOf('wanted'), lines.indexOf('reported'))
  expect(wanted[2]).toMatch(/motes +motes 2 +primary +1 +r-1/)
  expect(lines.at(-2)).toContain('incompatible: is 2000133 bytes, this device keeps 1500000')
  expect(lines.at(-1)).toMatch(/succeeded +yes/)
})
