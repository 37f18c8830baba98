// A scripted day of a fleet: three rollouts, with what people and devices do to them. Step by step, so that a test can
// end the hub anywhere in one and let it go on.

import { Problem } from '../../../hub/problem.ts'
import type { Rollouts } from '../../../hub/rollouts/engine.ts'
import type { Operation } from '../../../hub/rollouts/operate.ts'
import type { TestFleet } from './a-fleet.ts'
import { aPlan } from './a-fleet.ts'

/** `hub`: what the hub is asked and does by itself; may be asked again after a crash. `devices`: what they do then. */
export type Step = {
  name: string
  hub: (rollouts: Rollouts) => Promise<void>
  devices: (fleet: TestFleet) => Promise<void>
}

export const scriptedDevices = 8
const by = { actor: 'token:ops' }
const id = (version: number, start = version) => `r-00000000${version}-000000000${start}`
/** Of the first rollout this one fails the first time it is asked. */
const failing = 'd-007'

const firstPlan = aPlan({
  stages: [
    { name: 'shadow', percent: 25, bakeMs: 2_000, mode: 'shadow', gates: [{ metric: 'installation', failuresMax: 0 }] },
    { name: 'canary', percent: 50, bakeMs: 2_000 },
    { name: 'all', percent: 100, bakeMs: 2_000, hold: true },
  ],
  onFail: 'pause',
  concurrency: 3,
})

const start = (version: number, over: object = {}, nth = version) =>
  twice('rollout-exists', (rollouts) =>
    rollouts.start(
      { id: id(version, nth), model: 'vibration', version, group: 'all', plan: aPlan(), supersede: false, ...over },
      by,
    ),
  )

const operate = (version: number, operation: Operation, over: object = {}, nth = version) =>
  twice(undefined, (rollouts) => rollouts.operate(id(version, nth), { operation, reason: 'scripted', ...over }, by))

/** Whoever got no answer asks again; `done`: how the hub says that it has been done. */
const twice =
  (done: string | undefined, ask: (rollouts: Rollouts) => Promise<unknown>) =>
  async (rollouts: Rollouts): Promise<void> => {
    try {
      await ask(rollouts)
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== done) throw error
    }
    await look(rollouts)
  }

/** Until there is nothing more to decide at this time: how often a hub looks at the same is no matter. */
const look = async (rollouts: Rollouts) => {
  for (let i = 0; i < 3; i += 1) await rollouts.look()
}

const good = async (fleet: TestFleet) => {
  await fleet.obey()
  await fleet.report()
}
const staging = (fleet: TestFleet) => fleet.obey((_, manifest) => (manifest.startsWith('2') ? 'staged' : 'succeeded'))
const oneFails = async (fleet: TestFleet) => {
  await fleet.obey((device, manifest) => (device === failing && manifest.startsWith('2') ? 'failed' : 'succeeded'))
  await fleet.report()
}
const worse = async (fleet: TestFleet) => {
  await fleet.obey()
  await fleet.report((_, version) => ({ ok: 180, error: version === 3 ? 40 : 0 }))
}

const steps = (count: number, name: string, devices: Step['devices'], hub: Step['hub'] = look): Step[] =>
  Array.from({ length: count }, (_, i) => ({ name: `${name} ${i + 1}`, hub, devices }))

export const script: readonly Step[] = [
  ...steps(1, 'start', good, start(2, { plan: firstPlan })),
  ...steps(4, 'shadow', good),
  ...steps(1, 'offered to the canaries', staging),
  ...steps(1, 'pause', good, operate(2, 'pause')),
  ...steps(1, 'paused', good),
  ...steps(1, 'resume', oneFails, operate(2, 'resume')),
  ...steps(2, 'one fails', oneFails),
  ...steps(1, 'retry', good, operate(2, 'retry')),
  ...steps(1, 'resume after the retry', good, operate(2, 'resume')),
  ...steps(7, 'canary', good),
  ...steps(1, 'release', good, operate(2, 'release', { stage: 'all' })),
  ...steps(6, 'all', good),
  ...steps(1, 'start of a worse one', worse, start(3)),
  ...steps(8, 'worse', worse),
  ...steps(1, 'start again', good, start(3, {}, 4)),
  ...steps(1, 'supersede', good, start(1, { supersede: true }, 5)),
  ...steps(1, 'abort', good, operate(1, 'abort', {}, 5)),
  ...steps(1, 'after', good),
]
