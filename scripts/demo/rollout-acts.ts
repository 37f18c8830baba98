// The acts in which versions go out: v1 to all at once, v2 by canary while a gateway is away, v3 by canary and back.

import { type Asking, startAsking } from './asking.ts'
import { tellLabels, tellOutdoors } from './drift-act.ts'
import type { Fleet } from './fleet.ts'
import { applicationGateway, cutOff, gateways } from './gateways.ts'
import { count, listed } from './narration.ts'
import { followRollout, membersOf, type Rollout, startRollout } from './rollout.ts'
import type { Scene } from './story.ts'
import { registerVersion, type VersionName } from './versions.ts'
import { DemoError, until } from './waiting.ts'
import { countsOf, isConnected, servingVersions, windowsSince } from './watching.ts'

const names = gateways.map(({ name }) => name)
/** For the link to be missed, or to be back with all that waited. */
const linkMsMax = 60_000
/** For v3 to have answered on its canary, and for the reports of it. */
const backMsMax = 60_000

export async function v1ToAll(scene: Scene, fleet: Fleet): Promise<void> {
  const { narration, operator, signal } = scene
  await register(scene, 'v1')
  const { id } = await startRollout(operator, 1, 'everywhere', 'at-once')
  const { reason } = await followRollout(operator, id, 'completed', { signal, say: narration.say })
  narration.say(`Completed: ${reason}.`)
  const { perSecond } = startAsking(scene, fleet, applicationGateway)
  narration.say(
    `From now on an application asks ${applicationGateway} over the Open Inference Protocol, ${perSecond} times a second on kept-alive connections, whatever version is behind it.`,
  )
}

export async function v2ByCanary(scene: Scene, fleet: Fleet): Promise<void> {
  const { narration, operator, signal } = scene
  await register(scene, 'v2')
  fleet.link.cut()
  const cut = { atMs: Date.now(), readings: (await countsOf(operator, 'devices', cutOff)).totals.ok }
  await until({ what: `the hub misses ${cutOff}`, timeoutMs: linkMsMax, signal, logOf: 'hub' }, async () =>
    (await isConnected(operator, cutOff)) ? undefined : true,
  )
  narration.say(`The link of ${cutOff} is cut, at ${count(cut.readings)} readings. It works on and keeps its reports.`)
  const { id } = await startRollout(operator, 2, 'everywhere', 'canary')
  let restoredMs: number | undefined
  const restoreAfterCanary = ({ stages }: Rollout) => {
    if (restoredMs !== undefined || stages.find(({ name }) => name === 'canary')?.state !== 'passed') return
    fleet.link.restore()
    restoredMs = Date.now()
    narration.say(`The link of ${cutOff} is back after ${((restoredMs - cut.atMs) / 1000).toFixed(0)} s.`)
  }
  const following = { signal, say: narration.say, onLook: restoreAfterCanary }
  const { reason } = await followRollout(operator, id, 'completed', following)
  narration.say(`Completed: ${reason}.`)
  await tellBacklog(scene, cut.atMs, restoredMs ?? Date.now())
  narration.say('By the labels of the recording, so far:')
  await tellLabels(scene)
  await tellOutdoors(scene)
}

/** The reports of the time without a link, which came when it was back. */
async function tellBacklog({ narration, operator, signal }: Scene, cutMs: number, restoredMs: number): Promise<void> {
  const what = `${cutOff} has sent the reports of the time it was cut off`
  const backlog = await until({ what, timeoutMs: linkMsMax, signal, logOf: cutOff }, async () => {
    const windows = await windowsSince(operator, cutOff, restoredMs)
    // They come in order: with one of the time after, all before it are there.
    const isWhole = windows.some(({ from }) => from > restoredMs)
    return isWhole ? windows.filter(({ from, to }) => from >= cutMs && to <= restoredMs) : undefined
  })
  const readings = backlog.reduce((sum, { counts }) => sum + counts.ok, 0)
  narration.say(`${cutOff} has sent ${backlog.length} window reports of that time, ${count(readings)} readings.`)
}

export async function v3IsTakenBack(scene: Scene, fleet: Fleet): Promise<void> {
  const { narration, operator, signal } = scene
  await register(scene, 'v3')
  narration.say(`Serving now: ${await servingText(scene)}.`)
  const { id } = await startRollout(operator, 3, 'everywhere', 'canary')
  const canary = (await membersOf(operator, id)).find(({ stage }) => stage === 'canary')?.device
  if (canary === undefined) throw new DemoError('the rollout of v3 has no canary', 'hub')
  const asking = fleet.asking.get(canary) ?? startAsking(scene, fleet, canary)
  narration.say(`The canary is ${canary}${canary === applicationGateway ? '' : ', which an application asks now too'}.`)
  const { reason } = await followRollout(operator, id, 'rolled_back', { signal, say: narration.say })
  narration.say(`Taken back: ${reason}.`)
  await until({ what: 'v2 serves on all six again', timeoutMs: backMsMax, signal, logOf: canary }, async () =>
    [...(await servingVersions(operator, names)).values()].every((version) => version === 2) ? true : undefined,
  )
  await assertOnlyCanary(scene, canary)
  narration.say(`Serving now: ${await servingText(scene)}. Nobody but ${canary} ever ran v3.`)
  tellAsking(scene, canary, asking)
}

async function register(scene: Scene, name: VersionName): Promise<void> {
  const startedMs = performance.now()
  const { description, files, baseline, state } = await registerVersion(scene.ci, name, scene.detectors[name])
  const bytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
  const drift =
    baseline.noVerdict ??
    `a baseline for drift from ${count(baseline.rows)} training rows in ${baseline.windows} windows`
  scene.narration.say(
    `CI registers ${name} (${description}): ${count(bytes)} bytes in ${files.length} files, signed and ${state} after ${seconds} s; ${drift}.`,
  )
}

/** "v2 on 5 and v3 on 1" */
async function servingText({ operator }: Scene): Promise<string> {
  const versions = Map.groupBy((await servingVersions(operator, names)).values(), (version) => version)
  return listed(
    [...versions].map(([version, on]) => {
      const what = version === undefined ? 'nothing' : `v${version}`
      return `${what} on ${on.length === names.length ? 'all six' : on.length}`
    }),
  )
}

async function assertOnlyCanary({ operator }: Scene, canary: string): Promise<void> {
  for (const name of names) {
    const { versions } = await countsOf(operator, 'devices', name)
    const isThere = versions.some(({ version }) => version === 3)
    if (isThere && name !== canary) throw new DemoError(`${name} ran v3, only the canary ${canary} should have`, 'hub')
  }
}

function tellAsking({ narration }: Scene, gateway: string, { application }: Asking): void {
  const { answered, failed, firstFailure, byVersion, slowestMs } = application.counts()
  const versions = [...byVersion].map(([version, times]) => `${count(times)} by v${version}`)
  narration.say(
    `The application at ${gateway} has had ${count(answered)} right answers so far, ${listed(versions)}, the slowest after ${count(Math.round(slowestMs))} ms; ${failed} failed.`,
  )
  if (failed > 0)
    throw new DemoError(`${failed} requests of the application failed, the first: ${firstFailure}`, gateway)
}
