// How much is registered at once.

import { expect, test } from 'vitest'
import { createTurns } from '../../../hub/registry/turns.ts'

test('work is done one at a time, in order, and a failure stops nobody', async () => {
  const turns = createTurns(4)
  const steps: string[] = []
  const register = (name: string, fails = false) =>
    turns.enter((oneAtATime) =>
      oneAtATime(async () => {
        steps.push(`${name} begins`)
        await new Promise((resolve) => setImmediate(resolve))
        steps.push(`${name} ends`)
        if (fails) throw new Error(name)
        return name
      }),
    )
  const outcomes = await Promise.allSettled([register('a'), register('b', true), register('c')])
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect(steps).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends'])
})

test('one more than the bound is asked to come again, and may when one is done', async () => {
  const turns = createTurns(2)
  const gate = Promise.withResolvers<void>()
  const first = [turns.enter(() => gate.promise), turns.enter(() => gate.promise)]
  await expect(turns.enter(async () => 'in')).rejects.toMatchObject({ status: 503, headers: { 'retry-after': '5' } })
  gate.resolve()
  await Promise.all(first)
  expect(await turns.enter(async () => 'in')).toBe('in')
})
