// Versions in service over time: at each point as many as a naive count finds.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Service } from '../../../hub/lineage/service-history.ts'
import { versionsOverTime } from '../../../hub/lineage/versions-over-time.ts'

test('at each point of time those stretches are counted that hold it', () => {
  const service: fc.Arbitrary<Service> = fc
    .record({
      manifest: fc.constantFrom('a', 'b', 'c'),
      deployment: fc.constantFrom('one', 'two'),
      from: fc.integer({ min: -30, max: 130 }),
      length: fc.option(fc.nat(60)),
    })
    .map(({ length, from, ...rest }) => ({ ...rest, from, to: length === null ? null : from + length, ended: null }))
  const points = fc.record({
    from: fc.integer({ min: -5, max: 5 }),
    stepMs: fc.double({ min: 0.5, max: 20, noNaN: true }),
    count: fc.integer({ min: 1, max: 12 }),
  })
  fc.assert(
    fc.property(fc.array(service, { maxLength: 40 }), points, (services, { from, stepMs, count }) => {
      const counted = versionsOverTime(services, { from, stepMs, count })
      for (const deployment of ['one', 'two']) {
        for (const manifest of ['a', 'b', 'c']) {
          const found = counted.filter((one) => one.deployment === deployment && one.manifest === manifest)
          const naive = Array.from({ length: count }, (_, n) => {
            const at = from + n * stepMs
            return services.filter(
              (one) =>
                one.deployment === deployment &&
                one.manifest === manifest &&
                one.from <= at &&
                (one.to === null || at < one.to),
            ).length
          })
          expect(found.length).toBe(naive.some((n) => n > 0) ? 1 : 0)
          if (found.length === 1) expect(found[0]?.devices).toEqual(naive)
        }
      }
    }),
    { seed: 20_261_126 },
  )
})
