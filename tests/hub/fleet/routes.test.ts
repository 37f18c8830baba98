// The fleet over HTTP: claims, enrolment, devices, wishes by hand, groups; and revocation through to the socket.

import { setTimeout as delay } from 'node:timers/promises'
import { EnrolResponse } from '@roost/shared/protocol/enrolment.ts'
import { upTopic } from '@roost/shared/protocol/topics.ts'
import { verifyRoot } from '@roost/shared/trust/root.ts'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { createApp } from '../../../hub/app.ts'
import { floorStatements } from '../../../hub/fleet/desired.ts'
import { ClaimDocument, DeviceDetail, DeviceDocument, GroupDocument } from '../../../hub/fleet/documents.ts'
import { fleetRoutes } from '../../../hub/fleet/routes.ts'
import type { Role } from '../../../hub/governance/tokens.ts'
import { ProblemDocument } from '../../../hub/problem.ts'
import { readAs } from '../a-hub.ts'
import { aClient, closed, connected, outcomeOf, until } from './a-broker.ts'
import { aFleet, aFleetHub, anEnrolledDevice, anEnrolment, aRelease, aSpeakingDevice } from './a-fleet.ts'

type Call = {
  as?: Role | 'nobody' | { device: string; secret: string }
  body?: unknown
  headers?: Record<string, string>
}

async function anApi() {
  const hub = await aFleetHub()
  const fleet = await aFleet(hub)
  const app = createApp(hub, [fleetRoutes(hub, fleet)])
  const tokens = new Map<Role, string>()
  const authorization = async (as: NonNullable<Call['as']>): Promise<Record<string, string>> => {
    if (as === 'nobody') return {}
    if (typeof as === 'object') {
      return { authorization: `Basic ${Buffer.from(`${as.device}:${as.secret}`).toString('base64')}` }
    }
    const token = tokens.get(as) ?? (await hub.tokenOf(as))
    tokens.set(as, token)
    return { authorization: `Bearer ${token}` }
  }
  const call = async (method: string, path: string, { as = 'operator', body, headers = {} }: Call = {}) =>
    app.request(path, {
      method,
      headers: { ...(await authorization(as)), 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  return { hub, fleet, app, call }
}

const Claimed = ClaimDocument.extend({ token: z.string() })
const Devices = z.object({ devices: z.array(DeviceDocument), next: z.string().nullable() })

describe('enrolment', () => {
  test('by a claim gives a device that can connect, with the root to pin', async () => {
    const { hub, fleet, call } = await anApi()
    const made = await call('POST', '/v1/claims', { body: { uses: 2, labels: { site: 'north' } } })
    expect([made.status, made.headers.get('cache-control')]).toEqual([201, 'no-store'])
    const { token, id } = await readAs(Claimed, made)
    const answer = await call('POST', '/v1/enrol', { as: 'nobody', body: anEnrolment(token, { device: 'gw-1' }) })
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([201, 'no-store'])
    const { device, secret, root, mqttUrl, hubTime } = await readAs(EnrolResponse, answer)
    expect(device).toBe('gw-1')
    expect(verifyRoot(Buffer.from(root, 'base64'), undefined)).toEqual(hub.keys.root)
    expect(Math.abs(Date.parse(hubTime) - Date.now())).toBeLessThan(60_000)
    expect(new URL(mqttUrl).port).toBe(String(fleet.ports.tcp))
    await connected(aClient(fleet, device, { url: mqttUrl, password: secret }))
    await until(() => fleet.isConnected(device))
    const shown = await readAs(DeviceDetail, call('GET', '/v1/devices/gw-1'))
    expect(shown).toMatchObject({
      connected: true,
      labels: { site: 'north' },
      generation: 1,
      desired: [],
      reported: [],
    })
    const list = await call('GET', '/v1/claims')
    const text = await list.text()
    expect(JSON.parse(text)).toMatchObject({ claims: [{ id, uses: 1, usesMax: 2, state: 'open' }] })
    expect(text).not.toContain(token)
    expect(text).not.toContain(secret)
  })

  test('says what is wrong', async () => {
    const { call } = await anApi()
    const { token, id } = await readAs(Claimed, call('POST', '/v1/claims', { body: {} }))
    const request = anEnrolment(token, { device: 'gw-1' })
    const enrol = async (body: unknown) => {
      const response = await call('POST', '/v1/enrol', { as: 'nobody', body })
      const problem = await readAs(ProblemDocument, response)
      return [response.status, problem.code, problem.field]
    }
    expect(await enrol({ ...request, device: 'GW_1' })).toEqual([422, 'invalid-request', 'device'])
    expect(await enrol({ ...request, signKey: 'AAAA' })).toEqual([422, 'invalid-request', 'signKey'])
    expect(await enrol({ ...request, profile: 'other' })).toEqual([422, 'bad-proof', 'proof'])
    expect(await enrol(anEnrolment('roostclaim_x'))).toEqual([403, 'claim-unknown', undefined])
    expect((await call('DELETE', `/v1/claims/${id}`)).status).toBe(204)
    expect(await enrol(request)).toEqual([403, 'claim-revoked', undefined])
    expect((await call('DELETE', '/v1/claims/0123456789ab')).status).toBe(404)
  })
})

describe('a device', () => {
  test('that is revoked is cut off while connected, and stays out', async () => {
    const { hub, fleet, call } = await anApi()
    const enrolled = await anEnrolledDevice(hub, 'd-1')
    const device = await aSpeakingDevice(fleet, enrolled)
    const end = closed(device.client)
    expect((await call('DELETE', '/v1/devices/d-1')).status).toBe(204)
    await end
    expect(await outcomeOf(aClient(fleet, 'd-1', { password: enrolled.secret }))).toEqual({
      connected: false,
      returnCode: 5,
    })
    expect((await call('POST', '/v1/devices/d-1/secret', { as: enrolled })).status).toBe(401)
    expect((await readAs(Devices, call('GET', '/v1/devices'))).devices).toEqual([])
    const all = await readAs(Devices, call('GET', '/v1/devices?revoked=true'))
    expect(all.devices).toMatchObject([{ id: 'd-1', connected: false }])
    expect((await call('PATCH', '/v1/devices/d-1', { body: { labels: { a: 'b' } } })).status).toBe(409)
    expect((await call('DELETE', '/v1/devices/d-2')).status).toBe(404)
  })

  test('exchanges its own secret and nobody else’s, and MQTT takes the new one', async () => {
    const { hub, fleet, call } = await anApi()
    const one = await anEnrolledDevice(hub, 'd-1')
    const other = await anEnrolledDevice(hub, 'd-2')
    expect((await call('POST', '/v1/devices/d-1/secret', { as: other })).status).toBe(403)
    expect((await call('POST', '/v1/devices/d-1/secret', { as: 'admin' })).status).toBe(403)
    const answer = await call('POST', '/v1/devices/d-1/secret', { as: one })
    expect(answer.headers.get('cache-control')).toBe('no-store')
    const { secret } = await readAs(z.object({ secret: z.string() }), answer)
    expect((await outcomeOf(aClient(fleet, 'd-1', { password: one.secret }))).connected).toBe(true)
    expect((await outcomeOf(aClient(fleet, 'd-1', { password: secret }))).connected).toBe(true)
    expect((await outcomeOf(aClient(fleet, 'd-1', { password: one.secret }))).connected).toBe(false)
    expect((await outcomeOf(aClient(fleet, 'd-1', { password: secret }))).connected).toBe(true)
  })

  test('is labelled label by label, and not by two people over each other', async () => {
    const { hub, call } = await anApi()
    await anEnrolledDevice(hub, 'd-1', { labels: { site: 'north', floor: '1' } })
    const before = await call('GET', '/v1/devices/d-1')
    const etag = before.headers.get('etag') ?? ''
    const body = { labels: { floor: null, rack: '7' } }
    const first = await call('PATCH', '/v1/devices/d-1', { body, headers: { 'if-match': etag } })
    expect((await readAs(DeviceDocument, first)).labels).toEqual({ site: 'north', rack: '7' })
    const second = await call('PATCH', '/v1/devices/d-1', { body, headers: { 'if-match': etag } })
    expect([second.status, (await readAs(ProblemDocument, second)).code]).toEqual([412, 'changed'])
    const racing = await Promise.all(
      ['a', 'b', 'c', 'd'].map((key) => call('PATCH', '/v1/devices/d-1', { body: { labels: { [key]: '1' } } })),
    )
    const { labels } = await readAs(DeviceDetail, call('GET', '/v1/devices/d-1'))
    const kept = ['a', 'b', 'c', 'd'].filter((key) => labels[key] === '1').length
    expect(kept).toBe(racing.filter(({ status }) => status === 200).length)
    for (const bad of [{ id: 'x' }, { 'a b': 'x' }, { site: '\u0000' }]) {
      expect((await call('PATCH', '/v1/devices/d-1', { body: { labels: bad } })).status).toBe(422)
    }
    const many = Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, 'x']))
    expect((await call('PATCH', '/v1/devices/d-1', { body: { labels: many } })).status).toBe(422)
  })

  test('is found by a label query, page by page', async () => {
    const { hub, call } = await anApi()
    for (let i = 0; i < 25; i += 1) {
      await anEnrolledDevice(hub, `d-${i}`, {
        labels: { site: i % 2 === 0 ? 'north' : 'south' },
        profile: i < 5 ? 'raspberry-pi-5' : 'generic-x64',
      })
    }
    const found: string[] = []
    let cursor: string | null = null
    do {
      const page: z.infer<typeof Devices> = await readAs(
        Devices,
        call(
          'GET',
          `/v1/devices?limit=4&query=${encodeURIComponent('site = north')}${cursor === null ? '' : `&cursor=${cursor}`}`,
        ),
      )
      expect(page.devices.length).toBeLessThanOrEqual(4)
      found.push(...page.devices.map(({ id }) => id))
      cursor = page.next
    } while (cursor !== null)
    expect(found).toEqual(Array.from({ length: 13 }, (_, i) => `d-${i * 2}`).sort())
    const problem = await readAs(ProblemDocument, call('GET', '/v1/devices?query=site%20%3D'))
    expect(problem).toMatchObject({ status: 422, code: 'bad-query', field: 'query', at: 6 })
    expect((await call('GET', '/v1/devices?cursor=!!!')).status).toBe(422)
  })

  test('is told by hand what to run, to try again, and to stop', async () => {
    const { hub, fleet, call } = await anApi()
    const { manifest } = await aRelease(hub, 'vibration', Buffer.from('v1'))
    await aRelease(hub, 'vibration', Buffer.from('v2'), ['raspberry-pi-5'])
    const device = await aSpeakingDevice(fleet, await anEnrolledDevice(hub, 'd-1'))
    await device.hello()
    await until(() => device.assigns.length === 1)
    const path = '/v1/devices/d-1/desired/main'
    const set = await call('PUT', path, { body: { model: 'vibration', version: 1 } })
    expect((await readAs(DeviceDetail, set)).desired).toMatchObject([{ deployment: 'main', manifest, attempt: 1 }])
    await until(() => device.assigns.length === 2)
    const codes = []
    for (const version of [2, 3]) {
      codes.push((await readAs(ProblemDocument, call('PUT', path, { body: { model: 'vibration', version } }))).code)
    }
    expect(codes).toEqual(['not-released', 'not-found'])
    const again = await call('POST', '/v1/devices/d-1/retry', { body: { deployment: 'main' } })
    expect((await readAs(DeviceDetail, again)).desired).toMatchObject([{ attempt: 2 }])
    await until(() => device.assigns.length === 3)
    expect((await call('POST', '/v1/devices/d-1/retry', { body: { deployment: 'other' } })).status).toBe(404)
    expect((await readAs(DeviceDetail, call('DELETE', path))).desired).toEqual([])
    await until(() => device.assigns.length === 4)
    expect(
      (await call('PUT', '/v1/devices/d-9/desired/main', { body: { model: 'vibration', version: 1 } })).status,
    ).toBe(404)
  })

  test('is given a shadow beside what serves, and has it taken away, alone or together with that', async () => {
    const { hub, fleet, call } = await anApi()
    const first = await aRelease(hub, 'vibration', Buffer.from('v1'))
    const second = await aRelease(hub, 'vibration', Buffer.from('v2'))
    const device = await aSpeakingDevice(fleet, await anEnrolledDevice(hub, 'd-1'))
    await device.hello()
    const path = '/v1/devices/d-1/desired/main'
    const put = (version: number, more = {}) => call('PUT', path, { body: { model: 'vibration', version, ...more } })
    const shadow = (version: number, sample?: number) => put(version, { role: 'shadow', ...(sample && { sample }) })
    expect((await readAs(ProblemDocument, shadow(2))).code).toBe('nothing-to-shadow')
    await put(1)
    expect((await readAs(ProblemDocument, shadow(1))).code).toBe('nothing-to-shadow')
    expect((await readAs(ProblemDocument, shadow(2, 1.5))).code).toBe('invalid-request')
    const [one, two] = (await readAs(DeviceDetail, shadow(2, 0.25))).desired
    expect(one).toMatchObject({ role: 'primary', sample: null, manifest: first.manifest })
    expect(two).toMatchObject({ role: 'shadow', sample: 0.25, manifest: second.manifest, attempt: 1 })
    const retried = await call('POST', '/v1/devices/d-1/retry', { body: { deployment: 'main', role: 'shadow' } })
    expect((await readAs(DeviceDetail, retried)).desired).toMatchObject([{ attempt: 1 }, { attempt: 2, sample: 0.25 }])
    const withoutShadow = await call('DELETE', `${path}?role=shadow`)
    expect((await readAs(DeviceDetail, withoutShadow)).desired).toMatchObject([{ role: 'primary' }])
    await shadow(2)
    expect((await readAs(DeviceDetail, call('DELETE', path))).desired).toEqual([])
  })

  test('is not given a version below the floor, and a floor does not fall', async () => {
    const { hub, call } = await anApi()
    await aRelease(hub, 'vibration', Buffer.from('v1'))
    await aRelease(hub, 'vibration', Buffer.from('v2'))
    await anEnrolledDevice(hub, 'd-1')
    const floor = (version: number) => call('PUT', '/v1/models/vibration/floor', { body: { version } })
    const now = async () => (await call('GET', '/v1/models/vibration/floor', { as: 'viewer' })).json()
    expect(await now()).toEqual({ model: 'vibration', counter: null, version: null })
    expect(await (await floor(2)).json()).toEqual({ model: 'vibration', counter: 2 })
    expect(await now()).toEqual({ model: 'vibration', counter: 2, version: 2 })
    expect((await readAs(ProblemDocument, floor(1))).code).toBe('floor-falls')
    expect((await floor(9)).status).toBe(404)
    const set = (version: number) =>
      call('PUT', '/v1/devices/d-1/desired/main', { body: { model: 'vibration', version } })
    expect((await readAs(ProblemDocument, set(1))).code).toBe('below-floor')
    expect((await set(2)).status).toBe(200)
  })

  test('is given nothing by a wish that a floor has overtaken', async () => {
    const { hub, call } = await anApi()
    await aRelease(hub, 'vibration', Buffer.from('v1'))
    await aRelease(hub, 'vibration', Buffer.from('v2'))
    await anEnrolledDevice(hub, 'd-1')
    await call('GET', '/v1/devices')
    const held = Promise.withResolvers<void>()
    const floor = hub.database.exclusively(async (tx) => {
      held.resolve()
      // time for a wish that looks before its turn to write comes
      await delay(300)
      await tx.write(floorStatements('vibration', 2, 'test', 0))
    })
    await held.promise
    const wish = call('PUT', '/v1/devices/d-1/desired/main', { body: { model: 'vibration', version: 1 } })
    await floor
    expect((await readAs(ProblemDocument, wish)).code).toBe('below-floor')
  })

  test('that is not connected cannot be commanded; one that is hears it', async () => {
    const { hub, fleet, call } = await anApi()
    const enrolled = await anEnrolledDevice(hub, 'd-1')
    const command = () => call('POST', '/v1/devices/d-1/commands', { body: { kind: 'report-now' } })
    expect((await readAs(ProblemDocument, command())).code).toBe('not-connected')
    const device = await aSpeakingDevice(fleet, enrolled)
    const topics: string[] = []
    device.client.on('message', (topic) => topics.push(topic))
    expect((await command()).status).toBe(202)
    await until(() => topics.some((topic) => topic.endsWith('/down/command')))
    await device.client.publishAsync(upTopic('d-1', 'presence'), 'x')
  })
})

describe('a group', () => {
  test('is its query: who is in it changes with the labels', async () => {
    const { hub, call } = await anApi()
    for (const id of ['d-1', 'd-2', 'd-3'])
      await anEnrolledDevice(hub, id, { labels: { site: id === 'd-3' ? 'south' : 'north' } })
    const made = await call('POST', '/v1/groups', { body: { name: 'north', query: 'site = north' } })
    expect(made.status).toBe(201)
    const members = async () =>
      (await readAs(Devices, call('GET', '/v1/groups/north/devices'))).devices.map(({ id }) => id)
    expect(await members()).toEqual(['d-1', 'd-2'])
    await call('PATCH', '/v1/devices/d-3', { body: { labels: { site: 'north' } } })
    expect(await members()).toEqual(['d-1', 'd-2', 'd-3'])
    await call('DELETE', '/v1/devices/d-1')
    expect(await members()).toEqual(['d-2', 'd-3'])
  })

  test('is named once, edited by one at a time, and forgotten', async () => {
    const { call } = await anApi()
    const create = () => call('POST', '/v1/groups', { body: { name: 'g', query: 'all', description: 'everyone' } })
    const etag = (await create()).headers.get('etag') ?? ''
    expect((await readAs(ProblemDocument, create())).code).toBe('group-exists')
    const edit = (body: unknown) => call('PATCH', '/v1/groups/g', { body, headers: { 'if-match': etag } })
    expect((await readAs(ProblemDocument, edit({ query: 'site =' }))).code).toBe('bad-query')
    expect(await readAs(GroupDocument, edit({ query: 'site = a' }))).toMatchObject({
      query: 'site = a',
      description: 'everyone',
    })
    expect((await edit({ query: 'site = b' })).status).toBe(412)
    expect((await call('DELETE', '/v1/groups/g')).status).toBe(204)
    expect((await call('GET', '/v1/groups/g')).status).toBe(404)
    expect((await call('DELETE', '/v1/groups/g')).status).toBe(404)
  })
})

describe('every route', () => {
  const changes: [string, string][] = [
    ['POST', '/v1/claims'],
    ['DELETE', '/v1/claims/0123456789ab'],
    ['PATCH', '/v1/devices/d-1'],
    ['DELETE', '/v1/devices/d-1'],
    ['PUT', '/v1/devices/d-1/desired/main'],
    ['DELETE', '/v1/devices/d-1/desired/main'],
    ['POST', '/v1/devices/d-1/retry'],
    ['POST', '/v1/devices/d-1/commands'],
    ['PUT', '/v1/models/m/floor'],
    ['POST', '/v1/groups'],
    ['PATCH', '/v1/groups/g'],
    ['DELETE', '/v1/groups/g'],
  ]
  const looks: [string, string][] = [
    ['GET', '/v1/claims'],
    ['GET', '/v1/devices'],
    ['GET', '/v1/devices/d-1'],
    ['GET', '/v1/groups'],
    ['GET', '/v1/groups/g'],
    ['GET', '/v1/groups/g/devices'],
  ]
  test.each(changes)('%s %s needs an operator', async (method, path) => {
    const { hub, call } = await anApi()
    const device = await anEnrolledDevice(hub, 'd-9')
    for (const as of ['viewer', 'ci', 'approver', device] as const) {
      expect((await call(method, path, { as, ...(method === 'DELETE' ? {} : { body: {} }) })).status).toBe(403)
    }
    expect((await call(method, path, { as: 'nobody' })).status).toBe(401)
  })
  test.each(looks)('%s %s needs somebody', async (method, path) => {
    const { hub, call } = await anApi()
    const device = await anEnrolledDevice(hub, 'd-9')
    expect((await call(method, path, { as: 'nobody' })).status).toBe(401)
    expect((await call(method, path, { as: device })).status).toBe(403)
    expect([200, 404]).toContain((await call(method, path, { as: 'viewer' })).status)
  })
})
