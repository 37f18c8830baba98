import { encode } from '@roost/shared/protocol/wire.ts'
import { afterEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { createApp } from '../../../../hub/app.ts'
import { GateDraws } from '../../../../hub/rollouts/evidence/draws.ts'
import { inputsOfLook, looksOf } from '../../../../hub/rollouts/evidence/looks.ts'
import { evidenceRoutes } from '../../../../hub/rollouts/evidence/routes.ts'
import { suspectsOf } from '../../../../hub/rollouts/evidence/suspects.ts'
import { decisionsOf, rolloutById } from '../../../../hub/rollouts/store.ts'
import { type ReceivedWindow, windowStatements } from '../../../../hub/telemetry/records.ts'
import { expire } from '../../../../hub/telemetry/retention.ts'
import { aWindow } from '../../../builders/windows.ts'
import { asStarted } from '../../a-hub.ts'
import { aFleet, aPlan, type TestFleet } from '../a-fleet.ts'
import { replayAll } from '../replayed.ts'

const wanted = (over: object = {}) => ({
  model: 'vibration',
  version: 2,
  group: 'all',
  plan: aPlan(),
  supersede: false,
  ...over,
})

type Report = Parameters<TestFleet['report']>[0]

/** Every look by an engine made anew, so that all it knows is in the database. */
async function run(fleet: TestFleet, rounds: number, report?: Report): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    await fleet.engine().look()
    await fleet.obey()
    await fleet.report(report)
    fleet.clock.nowMs += 1_000
  }
}

async function started(size: number): Promise<{ fleet: TestFleet; id: string }> {
  const fleet = await aFleet(size)
  await fleet.obey()
  const { id } = await fleet.engine().start(wanted(), { actor: 'token:ops' })
  return { fleet, id }
}

const open: TestFleet[] = []
afterEach(async () => {
  for (const fleet of open.splice(0)) await fleet[Symbol.asyncDispose]()
})

const get = async (fleet: TestFleet, path: string): Promise<{ status: number; body: unknown }> => {
  const app = createApp(asStarted(fleet.hub), [evidenceRoutes(fleet.hub, { isConnected: () => true })])
  const token = await fleet.hub.tokenOf('viewer')
  const response = await app.request(path, { headers: { authorization: `Bearer ${token}` } })
  return { status: response.status, body: await response.json() }
}

describe('the evidence of a rollout', () => {
  test('each window is counted once, whatever looks come between and whoever takes them', async () => {
    const { fleet, id } = await started(10)
    open.push(fleet)
    let reported = 0
    await run(fleet, 6, (_, version) => {
      if (version === 2) reported += 1
      return { ok: 200, error: 0 }
    })
    await Promise.all([fleet.engine().look(), fleet.engine().look(), fleet.engine().look()])
    const rows = await fleet.hub.database.all(
      z.object({ device: z.string(), tally: z.instanceof(ArrayBuffer) }),
      'SELECT device, tally FROM rollout_tallies WHERE tally IS NOT NULL',
    )
    expect(rows).toHaveLength(10)
    const last = (await looksOf(fleet.hub.database, id)).at(-1)
    const inputs = await inputsOfLook(fleet.hub.database, id, last?.number ?? 0)
    const evidence = inputs?.gates[1]?.evidence
    if (evidence?.kind !== 'comparison') throw new Error('no comparison')
    const treated = evidence.units.filter((unit) => unit.treated)
    expect(treated).toHaveLength(2)
    expect(treated.reduce((sum, { weight }) => sum + weight, 0)).toBeLessThanOrEqual(reported * 200)
    expect(treated.reduce((sum, { weight }) => sum + weight, 0)).toBeGreaterThan(0)
    expect(evidence.units.every(({ before }) => before === 0)).toBe(true)
  })

  test('a device that reports what cannot be is left out, shown with the reason, and stops nothing', async () => {
    const { fleet, id } = await started(10)
    open.push(fleet)
    await fleet.engine().look()
    await fleet.obey()
    const waiting = await fleet.hub.database.all(
      z.object({ device: z.string() }),
      'SELECT device FROM rollout_devices WHERE offered_at IS NULL ORDER BY device',
    )
    const liar = waiting[0]?.device ?? ''
    await run(fleet, 5, (device) => (device === liar ? { ok: 0, error: 1_000_000_000 } : { ok: 200, error: 0 }))
    expect(await suspectsOf(fleet.hub.database, id)).toEqual([
      { device: liar, why: expect.stringMatching(/inferences a second/) },
    ])
    const { body } = await get(fleet, `/v1/rollouts/${id}/explanation`)
    expect(JSON.stringify(body)).toContain(`${liar} is left out of the gates: it reports 1,000,000,000 inferences`)
    await run(fleet, 20, (device) => (device === liar ? { ok: 0, error: 1_000_000_000 } : { ok: 200, error: 0 }))
    expect((await rolloutById(fleet.hub.database, id))?.state).toBe('completed')
    const excluded = (await looksOf(fleet.hub.database, id)).flatMap(({ stage, verdict }) =>
      stage === 0 ? (verdict.gates[1]?.excluded ?? []) : [],
    )
    expect(excluded.some(({ device }) => device === liar)).toBe(true)
  })

  test('whatever whole numbers a device claims to have counted, it stops no look', async () => {
    const { fleet, id } = await started(10)
    open.push(fleet)
    await run(fleet, 2)
    const most = Number.MAX_SAFE_INTEGER
    const labels = { truePositive: most, falsePositive: most, trueNegative: most, falseNegative: most }
    const latency = { bins: [[7, 1] satisfies [number, number]], count: 1, sumUs: Number.MAX_VALUE }
    const [device = ''] = fleet.online
    const wish = await fleet.hub.database.first(
      z.object({ manifest: z.string() }),
      'SELECT manifest FROM desired WHERE device = ?',
      [device],
    )
    const windows = Array.from({ length: 4 }, (): ReceivedWindow => {
      const times = { from: fleet.clock.nowMs, to: fleet.clock.nowMs, manifest: wish?.manifest ?? '' }
      const report = aWindow({ ...times, counts: { ok: 1, error: 0, refused: 0 }, latency, labels })
      return { device, report, bytes: encode(report) }
    })
    await fleet.hub.database.write(windowStatements(windows, fleet.clock.nowMs))
    await run(fleet, 25)
    expect((await rolloutById(fleet.hub.database, id))?.state).toBe('completed')
    const { body } = await get(fleet, `/v1/rollouts/${id}/looks`)
    expect(JSON.stringify(body)).toContain('more than can be added up')
  })

  test('devices that fall silent on the new version together stop it; one that does, does not', async () => {
    const stages = [
      { name: 'canary', percent: 50, bakeMs: 60_000 },
      { name: 'all', percent: 100, bakeMs: 1_000 },
    ]
    const plan = aPlan({ stages, gates: [{ metric: 'silence', silentMs: 3_000, margin: 0.2 }] })
    const left = async (lost: number) => {
      const fleet = await aFleet(20)
      open.push(fleet)
      await fleet.obey()
      const { id } = await fleet.engine().start(wanted({ plan }), { actor: 'token:ops' })
      await run(fleet, 4)
      const canaries = Object.keys(await fleet.running()).includes('2')
        ? await fleet.hub.database.all(
            z.object({ device: z.string() }),
            'SELECT device FROM rollout_devices WHERE offered_at IS NOT NULL',
          )
        : []
      for (const { device } of canaries.slice(0, lost)) fleet.online.delete(device)
      await run(fleet, 20)
      return rolloutById(fleet.hub.database, id)
    }
    expect(await left(1)).toMatchObject({ state: 'running' })
    expect(await left(9)).toMatchObject({ reason: expect.stringMatching(/silen|back on what it ran/) })
    const last = open.at(-1)
    const failed = await last?.hub.database.all(
      z.object({ state: z.string(), verdict: z.string().nullable() }),
      'SELECT state, verdict FROM rollout_stages WHERE idx = 0',
    )
    expect(failed?.[0]).toMatchObject({ state: 'failed', verdict: expect.stringMatching(/silent devices/) })
  })

  test('what a decision followed from can be read, and judged again after the reports have expired', async () => {
    const { fleet, id } = await started(10)
    open.push(fleet)
    await run(fleet, 12, (_, version) => ({ ok: 180, error: version === 2 ? 20 : 0 }))
    const decisions = await decisionsOf(fleet.hub.database, id)
    const failed = decisions.find(({ detail }) => JSON.stringify(detail).includes('"failed"'))
    fleet.clock.nowMs += 100 * 86_400_000
    await expire(fleet.hub)
    expect(
      await fleet.hub.database.first(z.object({ id: z.number() }), 'SELECT id FROM window_reports'),
    ).toBeUndefined()
    const { status, body } = await get(fleet, `/v1/rollouts/${id}/decisions/${failed?.seq}/inputs`)
    expect(status).toBe(200)
    expect(body).toMatchObject({
      verdict: { outcome: 'fail' },
      inputs: { gates: [{}, { evidence: { kind: 'comparison' } }] },
    })
    expect(await replayAll(fleet.hub.database)).toBeGreaterThan(2)
  })

  test('the draws behind a verdict are made again from what is stored, and count what it counted', async () => {
    const { fleet, id } = await started(10)
    open.push(fleet)
    await run(fleet, 12, (_, version) => ({ ok: 180, error: version === 2 ? 20 : 0 }))
    const last = (await looksOf(fleet.hub.database, id)).at(-1)
    const { draws, asBad, asGood } = last?.verdict.gates[1] ?? {}
    const of = (number: number, place: number) => get(fleet, `/v1/rollouts/${id}/looks/${number}/gates/${place}/draws`)
    const { status, body } = await of(last?.number ?? 0, 1)
    expect([status, body]).toEqual([200, expect.objectContaining({ label: 'error rate', draws, asBad, asGood })])
    const { picture } = GateDraws.parse(body)
    expect(picture.counts.slice(picture.asBadFrom).reduce((sum, count) => sum + count, 0)).toBe(asBad)
    expect(await of(last?.number ?? 0, 0)).toMatchObject({
      status: 404,
      body: { code: 'no-draws', detail: expect.stringMatching(/accepted it failed to install/) },
    })
    expect([(await of(99, 1)).status, (await of(last?.number ?? 0, 2)).status]).toEqual([404, 404])
    expect((await of(1, -1)).status).toBe(404)
  })

  test('a decision that followed from no verdict says so, and one that is not there is not found', async () => {
    const { fleet, id } = await started(10)
    open.push(fleet)
    await run(fleet, 2)
    expect(await get(fleet, `/v1/rollouts/${id}/decisions/1/inputs`)).toMatchObject({
      status: 404,
      body: { detail: expect.stringMatching(/followed from no verdict/) },
    })
    expect((await get(fleet, `/v1/rollouts/${id}/decisions/99/inputs`)).status).toBe(404)
    expect((await get(fleet, '/v1/rollouts/r-nobody/explanation')).status).toBe(404)
  })

  test('the story says who, which devices, why each stage ended, what a person did, and what is waited for', async () => {
    const { fleet, id } = await started(10)
    open.push(fleet)
    await run(fleet, 3)
    await fleet.engine().operate(id, { operation: 'pause', reason: 'lunch' }, { actor: 'token:ann' })
    const told = async () => {
      const { body } = await get(fleet, `/v1/rollouts/${id}/explanation`)
      return z
        .object({ sentences: z.array(z.object({ text: z.string() })) })
        .parse(body)
        .sentences.map(({ text }) => text)
        .join('\n')
    }
    const paused = await told()
    expect(paused).toMatch(
      /token:ops started it: vibration 2 to the 10 devices of all \(all\), drawn into canary 2, all 8/,
    )
    expect(paused).toMatch(/The hub offered it to 2 devices \(d-\d+, d-\d+\)/)
    expect(paused).toMatch(/token:ann asked for pause: lunch/)
    expect(paused).toMatch(/waits for a person: resume, roll back or abort/)
    await fleet.engine().operate(id, { operation: 'resume', reason: 'back' }, { actor: 'token:ann' })
    await run(fleet, 12, (_, version) => ({ ok: 180, error: version === 2 ? 20 : 0 }))
    const over = await told()
    expect(over).toMatch(/Stage canary failed after \d+ looks/)
    expect(over).toMatch(/The gate on error rate failed: .*error rate \+10 %/)
    expect(over).toMatch(/asked .* back to what ran before/)
    expect(over).toMatch(/It has ended: rolled back/)
  })

  test('a shadow stage is judged by pairs, and the next one by what answers', async () => {
    const stages = [
      { name: 'shadow', devices: 3, mode: 'shadow' as const, bakeMs: 20_000 },
      { name: 'all', percent: 100, bakeMs: 2_000 },
    ]
    const plan = aPlan({ stages, gates: [{ metric: 'installation' }, { metric: 'agreement' }, { metric: 'latency' }] })
    const shadowed = async (agreed: number) => {
      const fleet = await aFleet(6)
      open.push(fleet)
      await fleet.obey()
      const { id } = await fleet.engine().start(wanted({ plan }), { actor: 'token:ops' })
      for (let round = 0; round < 30; round += 1) {
        await run(fleet, 1)
        const shadows = await fleet.hub.database.all(
          z.object({ device: z.string(), manifest: z.string() }),
          `SELECT device, manifest FROM desired WHERE role = 'shadow'`,
        )
        const windows = shadows.map(({ device, manifest }): ReceivedWindow => {
          const errors = { both: 0, onlyPrimary: 0, onlyCandidate: 0 }
          const agreement = {
            pairs: 100,
            agreed: agreed - (round % 2),
            outputs: {},
            errors,
            primary: fleet.digests[1] ?? '',
          }
          const times = { from: fleet.clock.nowMs - 1_000, to: fleet.clock.nowMs }
          const report = aWindow({ manifest, version: 2, role: 'shadow', ...times, agreement })
          return { device, report, bytes: encode(report) }
        })
        if (windows.length > 0) await fleet.hub.database.write(windowStatements(windows, fleet.clock.nowMs))
      }
      const looks = await looksOf(fleet.hub.database, id)
      const { state } = (await rolloutById(fleet.hub.database, id)) ?? {}
      return { state, gates: looks.filter(({ stage }) => stage === 0).at(-1)?.verdict.gates }
    }
    expect(await shadowed(99)).toMatchObject({
      state: 'completed',
      gates: [
        {},
        { outcome: 'pass', method: 'paired' },
        { outcome: 'pass', sentence: expect.stringMatching(/nobody waits/) },
      ],
    })
    expect(await shadowed(60)).toMatchObject({ state: 'rolled_back', gates: [{}, { outcome: 'fail' }, {}] })
  })

  test('a verdict that was tampered with does not replay', async () => {
    const { fleet, id } = await started(10)
    await run(fleet, 6)
    await fleet.hub.database.write([
      { sql: `UPDATE rollout_looks SET verdict = replace(verdict, 'needed', 'wanted') WHERE rollout = ?`, args: [id] },
    ])
    await expect(replayAll(fleet.hub.database)).rejects.toThrow(/was judged/)
    await expect(fleet[Symbol.asyncDispose]()).rejects.toThrow(/was judged/)
  })
})
