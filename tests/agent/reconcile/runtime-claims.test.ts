// A runtime that a model has taken over, and what it may make the device tell of: nothing but its own bundles.

import { writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { falseClaim } from '@roost/agent/reconcile/runtime-claims.ts'
import type { RuntimeMessage } from '@roost/agent/runtime/messages.ts'
import type { DeviceEvent, WindowReport } from '@roost/shared/protocol/records.ts'
import { describe, expect, onTestFinished, test } from 'vitest'
import { aScaleModel } from '../../builders/onnx.ts'
import { aWindow } from '../../builders/windows.ts'
import { aWorld, type World } from '../runtime/a-runtime.ts'

const another = 'cd'.repeat(32)
const generation = 7

type Told = Pick<WindowReport, 'deployment' | 'manifest'>

const aDrift = ({ deployment, manifest }: Told): DeviceEvent => ({
  kind: 'event',
  event: 'drift',
  at: 1,
  deployment,
  manifest,
  verdict: { state: 'drifted', at: 1, evidence: 2000, since: 1, movements: [] },
})

const others = ({ deployment, manifest }: Told): DeviceEvent[] => [
  { kind: 'event', event: 'progress', at: 1, deployment, manifest, generation, attempt: 1, state: 'succeeded' },
  { kind: 'event', event: 'progress', at: 1, deployment: 'other', manifest, generation, attempt: 1, state: 'failed' },
  { kind: 'event', event: 'refused', at: 1, code: 'expired', detail: '' },
  { kind: 'event', event: 'runtime_died', at: 1, detail: '', manifests: [manifest] },
  { kind: 'event', event: 'started', at: 1, detail: '' },
  { kind: 'event', event: 'fresh', at: 1, detail: '' },
]

const eventOf = (event: DeviceEvent): RuntimeMessage => ({ kind: 'event', event })
const windowOf = (report: WindowReport): RuntimeMessage => ({ kind: 'window', report, positions: {} })
const checkpointOf = (...windows: WindowReport[]): RuntimeMessage => ({ kind: 'checkpoint', windows, positions: {} })

async function aBundleOf(world: World, deployment = 'demo') {
  const bundle = await world.bundle({ model: aScaleModel(), deployment })
  const { digest, manifest } = bundle
  const window = aWindow({ deployment, manifest: digest, model: manifest.model, version: manifest.version, generation })
  return { bundle, window }
}

describe('what a runtime tells', () => {
  test('is believed of each bundle that it was given', async () => {
    await using world = await aWorld()
    const [demo, other] = [await aBundleOf(world), await aBundleOf(world, 'other')]
    const entrusted = { role: 'primary', generation, bundles: [demo.bundle, other.bundle] } as const
    for (const { window } of [demo, other]) {
      expect(falseClaim(windowOf(window), entrusted)).toBeUndefined()
      expect(falseClaim(eventOf(aDrift(window)), entrusted)).toBeUndefined()
    }
    expect(falseClaim(checkpointOf(demo.window, other.window), entrusted)).toBeUndefined()
    const shadow = { ...demo.window, role: 'shadow' } as const
    expect(falseClaim(windowOf(shadow), { ...entrusted, role: 'shadow' })).toBeUndefined()
  })

  test('is a lie where it is of anything else', async () => {
    await using world = await aWorld()
    const { bundle, window } = await aBundleOf(world)
    const entrusted = { role: 'primary', generation, bundles: [bundle] } as const
    const own = { deployment: window.deployment, manifest: window.manifest }
    const foreign: Partial<WindowReport>[] = [
      { deployment: 'other' },
      { manifest: another },
      { role: 'shadow' },
      { generation: generation + 1 },
      { model: 'other' },
      { version: window.version + 1 },
    ]
    const lies = [
      ...others(own).map(eventOf),
      eventOf(aDrift({ ...own, deployment: 'other' })),
      eventOf(aDrift({ ...own, manifest: another })),
      ...foreign.map((over) => windowOf({ ...window, ...over })),
      ...foreign.map((over) => checkpointOf(window, { ...window, ...over })),
    ]
    for (const lie of lies) expect(falseClaim(lie, entrusted), JSON.stringify(lie)).toMatch(/^.{1,300}$/)
    expect(falseClaim(windowOf(window), { ...entrusted, bundles: [] })).toContain('demo')
  })
})

/** From now on a runtime says all of `words`, many times over, as soon as it is told to report. It is the real one with
 *  something added, as a model would add it: whoever starts it finds this before the real setpriv. */
async function possess(folder: string, words: readonly RuntimeMessage[]): Promise<void> {
  const spell = join(folder, 'spell.mjs')
  await writeFile(
    spell,
    `const words = ${JSON.stringify(words)}
    process.on('message', ({ kind }) => {
      if (kind === 'report-now') for (let i = 0; i < 100; i += 1) for (const word of words) process.send(word)
    })`,
  )
  const program = `#!/bin/sh\nshift 4\nexec '${process.execPath}' --allow-fs-read='${spell}' --import '${spell}' "$@"\n`
  await writeFile(join(folder, 'setpriv'), program, { mode: 0o755 })
  const { PATH } = process.env
  process.env.PATH = `${folder}${delimiter}${PATH}`
  onTestFinished(() => {
    process.env.PATH = PATH
  })
}

test.each([
  'progress of its own',
  'drift of another deployment',
  'a window of another deployment',
  'an open window of another bundle',
])('a runtime that tells of %s is ended at once and heard no more, and that is said once', async (what) => {
  await using world = await aWorld()
  const { bundle, window } = await aBundleOf(world)
  const elsewhere = { ...window, deployment: 'other' }
  const lies: Record<string, RuntimeMessage | undefined> = {
    'progress of its own': others(window).map(eventOf)[0],
    'drift of another deployment': eventOf(aDrift(elsewhere)),
    'a window of another deployment': windowOf(elsewhere),
    'an open window of another bundle': checkpointOf({ ...window, manifest: another }),
  }
  const lie = lies[what] ?? expect.fail(what)
  await possess(world.folder, [eventOf(aDrift(window)), windowOf(window), lie])
  const said = await world.start([bundle], { generation })
  expect(await said.process.load()).toMatchObject({ ok: true })
  said.process.reportNow()
  await said.process.release()
  expect(said.exits).toMatchObject([{ reason: 'crash', detail: expect.stringContaining('no runtime says') }])
  // what it said honestly before counts
  expect(said.windows).toEqual([window])
  expect(said.events).toEqual([aDrift(window)])
  expect(said.checkpoint).toEqual([])
  expect(said.warnings.filter((text) => text.includes('no runtime says'))).toHaveLength(1)
})
