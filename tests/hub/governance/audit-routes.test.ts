// The audit log of a whole hub over HTTP: what its routes record, how it is found again, and what tokens that are
// narrowed or restricted may do.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { readConfig } from '../../../hub/config.ts'
import { AuditEntry, VerificationDocument } from '../../../hub/governance/audit-routes.ts'
import { insertToken, makeToken } from '../../../hub/governance/tokens.ts'
import { ProblemDocument } from '../../../hub/problem.ts'
import { type RunningHub, startHub } from '../../../hub/start.ts'
import { readAs } from '../a-hub.ts'
import { anEnrolment, aRelease } from '../fleet/a-fleet.ts'

const Page = z.object({ changes: z.array(AuditEntry), next: z.string().nullable() })
const Token = z.looseObject({ id: z.string(), token: z.string() })
type TokenWish = Partial<Parameters<typeof insertToken>[1]>

let folder: string
let running: RunningHub
let admin: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'roost-audit-'))
  const ports = { ROOST_HTTP_PORT: '0', ROOST_MQTT_PORT: '0', ROOST_MQTT_WS_PORT: '0' }
  running = await startHub(readConfig({ ROOST_DATA_DIR: folder, ...ports }), pino({ level: 'silent' }))
  admin = running.adminToken ?? ''
})
afterAll(async () => {
  await running.close()
  rmSync(folder, { recursive: true })
})

const call = async (
  method: string,
  path: string,
  body?: unknown,
  token = admin,
  headers: Record<string, string> = {},
) =>
  running.app.request(path, {
    method,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
const changes = async (query = '') => (await readAs(Page, call('GET', `/v1/audit?limit=200${query}`))).changes
const problemOf = async (response: Response) => (await readAs(ProblemDocument, response)).code

async function aToken(wish: TokenWish): Promise<string> {
  const { database, random, clock } = running.hub
  const made = makeToken(random)
  const row = { name: 'test', role: 'admin' as const, createdBy: 'test', createdAt: clock(), expiresAt: undefined }
  await database.write([insertToken(made, { ...row, ...wish })])
  return made.token
}

/** What is new in the log after `work`, oldest first. */
async function recorded(work: () => Promise<unknown>): Promise<AuditEntry[]> {
  const [last] = await changes()
  await work()
  return (await changes()).filter(({ seq }) => seq > (last?.seq ?? 0)).toReversed()
}

describe('what people change', () => {
  test('is recorded with who, under which request, and what it was before', async () => {
    let claim = { id: '', token: '' }
    const actor = `token:${admin.slice(6, 14)}`
    const ofClaim = await recorded(async () => {
      const response = await call('POST', '/v1/claims', { labels: { site: 'north' }, uses: 3 }, admin, {
        'x-request-id': 'r-77',
      })
      claim = await readAs(Token, response)
    })
    expect(ofClaim).toMatchObject([
      { actor, action: 'claim.create', subject: `claim:${claim.id}`, before: null, requestId: 'r-77' },
    ])
    expect(ofClaim[0]?.after).toMatchObject({ labels: { site: 'north' }, uses: 3 })

    const enrolled = await recorded(() => call('POST', '/v1/enrol', anEnrolment(claim.token, { device: 'gw-1' })))
    expect(enrolled).toMatchObject([{ actor: `claim:${claim.id}`, action: 'device.enrol', subject: 'device:gw-1' }])

    const rest = await recorded(async () => {
      await call('PATCH', '/v1/devices/gw-1', { labels: { line: '3' } })
      await call('POST', '/v1/groups', { name: 'north', query: 'site=north' })
      await call('PATCH', '/v1/groups/north', { description: 'up there' })
      const { version } = await aRelease(running.hub, 'motes', new Uint8Array([1, 2, 3]))
      await call('PUT', '/v1/devices/gw-1/desired/main', { model: 'motes', version })
      await call('POST', '/v1/devices/gw-1/retry', { deployment: 'main' })
      await call('PUT', '/v1/models/motes/floor', { version })
      await call('DELETE', '/v1/devices/gw-1/desired/main')
      const started = await readAs(
        z.looseObject({ id: z.string() }),
        call('POST', '/v1/rollouts', { model: 'motes', version, group: 'north' }),
      )
      await call('POST', `/v1/rollouts/${started.id}/pause`, { reason: 'lunch' })
      await call('POST', `/v1/rollouts/${started.id}/abort`, { reason: 'dinner' })
      await call('DELETE', '/v1/groups/north')
      await call('DELETE', `/v1/claims/${claim.id}`)
      await call('DELETE', '/v1/devices/gw-1')
    })
    const byPeople = rest.filter((row) => row.actor === actor)
    expect(byPeople.map(({ action }) => action)).toEqual([
      'device.label',
      'group.create',
      'group.edit',
      'device.desire',
      'device.retry',
      'model.raise-floor',
      'device.withdraw',
      'rollout.start',
      'rollout.pause',
      'rollout.abort',
      'group.delete',
      'claim.revoke',
      'device.revoke',
    ])
    expect(byPeople[0]).toMatchObject({ before: { site: 'north' }, after: { site: 'north', line: '3' } })
    expect(byPeople[2]).toMatchObject({ before: { description: '' }, after: { description: 'up there' } })
    expect(byPeople[8]).toMatchObject({
      before: { state: 'running' },
      after: { state: 'paused', reason: 'pause: lunch' },
    })
    expect(rest.filter((row) => row.actor === 'hub').map(({ action }) => action)).toEqual(
      expect.arrayContaining(['stage.move']),
    )
  })

  test('twice is recorded once, and what is refused is not', async () => {
    const made = await readAs(Token, call('POST', '/v1/tokens', { name: 'x', role: 'ci' }))
    await call('POST', '/v1/groups', { name: 'twice', query: 'all' })
    expect((await recorded(() => call('DELETE', `/v1/tokens/${made.id}`))).map(({ action }) => action)).toEqual([
      'token.revoke',
    ])
    const nothing = await recorded(async () => {
      expect((await call('DELETE', `/v1/tokens/${made.id}`)).status).toBe(204)
      expect((await call('DELETE', '/v1/tokens/AAAAAAAA')).status).toBe(404)
      expect((await call('POST', '/v1/groups', { name: 'twice', query: 'all' })).status).toBe(409)
      expect(
        (await call('PATCH', '/v1/groups/twice', { description: 'x' }, admin, { 'if-match': '"99"' })).status,
      ).toBe(412)
      expect((await call('DELETE', '/v1/groups/nobody')).status).toBe(404)
      expect((await call('POST', '/v1/tokens', { name: 'x', role: 'emperor' })).status).toBe(422)
    })
    expect(nothing).toEqual([])
  })

  test('holds no secret, nowhere in the log', async () => {
    const made = await readAs(Token, call('POST', '/v1/tokens', { name: `mine is ${admin}`, role: 'ci' }))
    const text = JSON.stringify(await changes())
    for (const secret of [admin, made.token]) expect(text).not.toContain(secret.slice(14))
    expect(text).toContain(`token:${made.id}`)
  })
})

describe('the log', () => {
  test('is found by actor, begin of action, subject and time, in pages that miss and repeat nothing', async () => {
    const every = await changes()
    expect(every.length).toBeGreaterThan(10)
    expect(every.map(({ seq }) => seq)).toEqual(every.map((_, i) => every.length - i))
    expect((await changes('&action=group.')).map(({ action }) => action)).toEqual(
      every.map(({ action }) => action).filter((action) => action.startsWith('group.')),
    )
    expect(await changes('&action=group')).toEqual(await changes('&action=group.'))
    expect(await changes('&actor=hub')).toEqual(every.filter(({ actor }) => actor === 'hub'))
    expect(await changes('&subject=group:twice')).toEqual(every.filter(({ subject }) => subject === 'group:twice'))
    expect(await changes("&subject=' OR 1=1 --")).toEqual([])
    const middle = every[5]?.at ?? ''
    const [from, to] = [await changes(`&from=${middle}`), await changes(`&to=${middle}`)]
    expect([...from, ...to]).toEqual(every)
    expect(from.every(({ at }) => at >= middle)).toBe(true)
    const paged: AuditEntry[] = []
    for (let cursor = ''; ; ) {
      const page = await readAs(Page, call('GET', `/v1/audit?limit=3${cursor}`))
      paged.push(...page.changes)
      if (page.next === null) break
      cursor = `&cursor=${page.next}`
    }
    expect(paged).toEqual(every)
  })

  test('is walked both ways by the numbers of its rows, also where a filter leaves some out', async () => {
    const Both = Page.extend({ newer: z.boolean() })
    const page = (query: string) => readAs(Both, call('GET', `/v1/audit?limit=2&action=claim.${query}`))
    for (let n = 0; n < 5; n++) {
      await call('POST', '/v1/claims', { uses: 1 })
      await call('POST', '/v1/session/codes')
    }
    const all = (await changes('&action=claim.')).map(({ seq }) => seq)
    const rows = ({ changes }: z.infer<typeof Both>) => changes.map(({ seq }) => seq)
    const older: number[][] = []
    let shown = await page('')
    expect(shown.newer).toBe(false)
    for (;;) {
      older.push(rows(shown))
      if (shown.next === null) break
      shown = await page(`&before=${rows(shown).at(-1)}`)
      expect(shown.newer).toBe(true)
    }
    expect(older.flat()).toEqual(all)
    // and back, from the oldest two
    const newer: number[][] = []
    for (let place = (all.at(-2) ?? 0) - 1; ; ) {
      shown = await page(`&after=${place}`)
      newer.unshift(rows(shown))
      if (!shown.newer) break
      expect(rows(shown)).toHaveLength(2)
      place = rows(shown)[0] ?? 0
    }
    expect(newer.flat().filter((seq) => all.slice(0, -1).includes(seq))).toEqual(all.slice(0, -1))
    expect(await page(`&after=${all[0]}`)).toMatchObject({ changes: [], next: null, newer: false })
  })

  test('is exported as JSON lines, oldest first, by the same filter', async () => {
    const response = await call('GET', '/v1/audit/export?action=token.')
    expect(response.headers.get('content-type')).toBe('application/jsonl')
    const lines = (await response.text()).trimEnd().split('\n')
    expect(lines.map((line) => AuditEntry.parse(JSON.parse(line)))).toEqual(
      (await changes('&action=token.')).toReversed(),
    )
  })

  test('is verified piece by piece as it is whole, and a head in a piece that was passed is looked for, too', async () => {
    const piece = async (query: string) =>
      readAs(VerificationDocument, call('GET', `/v1/audit/verification?limit=7${query}`))
    const pieces = [await piece('')]
    for (let next = pieces[0]?.next; next; next = pieces.at(-1)?.next) pieces.push(await piece(`&after=${next}`))
    expect(pieces.length).toBeGreaterThan(2)
    expect(pieces.every(({ ok, faults }) => ok && faults.length === 0)).toBe(true)
    const whole = await readAs(VerificationDocument, call('GET', '/v1/audit/verification'))
    expect(pieces.reduce((sum, { rows }) => sum + rows, 0)).toBe(whole.rows)
    expect([pieces.at(-1)?.head, whole.next]).toEqual([whole.head, null])
    const last = pieces.at(-2)?.next ?? ''
    expect(await piece(`&after=${last}&head=2:${'0'.repeat(64)}`)).toMatchObject({
      ok: false,
      faults: [{ kind: 'replaced', seq: 2 }],
    })
    // a place that never was in the log
    const [seq] = last.split(':')
    expect(await piece(`&after=${seq}:${'0'.repeat(64)}`)).toMatchObject({ ok: false, faults: [{ kind: 'altered' }] })
  })

  test('is whole, with a signed head, and a head that it never had is missed', async () => {
    const whole = await readAs(VerificationDocument, call('GET', '/v1/audit/verification'))
    expect(whole).toMatchObject({ ok: true, faults: [], signed: { state: 'open' } })
    const missed = await readAs(VerificationDocument, call('GET', `/v1/audit/verification?head=2:${'0'.repeat(64)}`))
    expect(missed).toMatchObject({ ok: false, faults: [{ kind: 'replaced', seq: 2 }] })
    for (const wrong of ['head=1', 'head=0:00', `head=${'9'.repeat(20)}:${'0'.repeat(64)}`]) {
      expect((await call('GET', `/v1/audit/verification?${wrong}`)).status).toBe(422)
    }
    for (const wrong of ['from=yesterday', 'limit=0', 'cursor=!', `actor=${'x'.repeat(600)}`]) {
      expect((await call('GET', `/v1/audit?${wrong}`)).status, wrong).toBe(422)
    }
  })
})

describe('a token', () => {
  test('is made narrowed and restricted, and shown so, with when it was used last', async () => {
    const wish = {
      name: 'pipeline',
      role: 'ci',
      scopes: ['viewer', 'ci:models', 'viewer'],
      models: ['press-*', 'press-*'],
    }
    const made = await readAs(Token, call('POST', '/v1/tokens', wish))
    expect(made).toMatchObject({ scopes: ['viewer', 'ci:models'], models: ['press-*'], lastUsedAt: null })
    await call('GET', '/v1/models', undefined, made.token)
    const lastUse = async () => {
      const { tokens } = await readAs(
        z.object({ tokens: z.array(z.looseObject({ id: z.string(), lastUsedAt: z.string().nullable() })) }),
        call('GET', '/v1/tokens'),
      )
      return tokens.find(({ id }) => id === made.id)?.lastUsedAt
    }
    await expect.poll(lastUse).not.toBeNull()
    const first = await lastUse()
    await call('GET', '/v1/models', undefined, made.token)
    expect(await lastUse()).toBe(first)
  })

  test.each([
    [{ scopes: ['admin'] }, 'scopes'],
    [{ scopes: ['operator:devices'] }, 'scopes'],
    [{ scopes: ['everything'] }, 'scopes.0'],
    [{ scopes: ['ci:'] }, 'scopes.0'],
    [{ scopes: [] }, 'scopes'],
    [{ models: [] }, 'models'],
    [{ models: ['a*b'] }, 'models.0'],
    [{ models: ['a\nb'] }, 'models.0'],
  ])('with %j is refused, and the field is named', async (wish, field) => {
    const response = await call('POST', '/v1/tokens', { name: 'x', role: 'ci', ...wish })
    expect(response.status).toBe(422)
    expect(await readAs(ProblemDocument, response)).toMatchObject({ field })
  })

  test.each([{ scopes: ['admin'] }, { models: ['motes'] }, { scopes: ['admin:tokens'], models: ['*'] }])(
    'narrowed by %j makes no other',
    async (narrowing) => {
      const token = await aToken(narrowing)
      const response = await call('POST', '/v1/tokens', { name: 'x', role: 'admin' }, token)
      expect([response.status, await problemOf(response)]).toEqual([403, 'forbidden'])
    },
  )

  test('for other models neither sees nor starts nor stops rollouts, nor says what devices run', async () => {
    const list = z.object({ rollouts: z.array(z.looseObject({ id: z.string() })) })
    const [rollout] = (await readAs(list, call('GET', '/v1/rollouts'))).rollouts
    const { token: claim } = await readAs(Token, call('POST', '/v1/claims', {}))
    await call('POST', '/v1/enrol', anEnrolment(claim, { device: 'gw-2' }))
    await call('PUT', '/v1/devices/gw-2/desired/main', { model: 'motes', version: 1 })
    await call('POST', '/v1/groups', { name: 'everybody', query: 'all' })
    const other = await aToken({ models: ['other'] })
    const refused = [
      ['GET', `/v1/rollouts/${rollout?.id}`],
      ['GET', `/v1/rollouts/${rollout?.id}/decisions`],
      ['POST', `/v1/rollouts/${rollout?.id}/rollback`, {}],
      ['POST', '/v1/rollouts', { model: 'motes', version: 1, group: 'twice' }],
      ['POST', '/v1/rollouts', { model: 'other', version: 1, group: 'everybody', deployment: 'main' }],
      ['PUT', '/v1/devices/gw-2/desired/more', { model: 'motes', version: 1 }],
      ['PUT', '/v1/devices/gw-2/desired/main', { model: 'other', version: 1 }],
      ['DELETE', '/v1/devices/gw-2/desired/main'],
      ['POST', '/v1/devices/gw-2/retry', { deployment: 'main' }],
      ['PUT', '/v1/models/motes/floor', { version: 1 }],
      ['GET', '/v1/models/motes'],
      ['GET', '/v1/models/%6dotes'],
    ] as const
    const nothing = await recorded(async () => {
      for (const [method, path, body] of refused) {
        const response = await call(method, path, body, other)
        expect([path, response.status, await problemOf(response)]).toEqual([path, 403, 'model-not-granted'])
      }
    })
    expect(nothing.filter(({ actor }) => actor !== 'hub')).toEqual([])
    expect((await readAs(list, call('GET', '/v1/rollouts', undefined, other))).rollouts).toEqual([])
    const motes = await aToken({ models: ['mot*'] })
    expect((await call('GET', `/v1/rollouts/${rollout?.id}`, undefined, motes)).status).toBe(200)
    expect((await call('DELETE', '/v1/devices/gw-2/desired/main', undefined, motes)).status).toBe(200)
  })
})
