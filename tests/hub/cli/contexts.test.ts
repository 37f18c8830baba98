// Logging in and out, and which hub a command then talks to, as a person does it: with files, pipes and a terminal.

import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { dirname } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { chooseHub, defaultUrl } from '../../../hub/cli/contexts/choose.ts'
import { contextsPath } from '../../../hub/cli/contexts/file.ts'
import { aPerson } from './a-person.ts'
import { aRunningHub, type RunningHub } from './a-running-hub.ts'

let hub: RunningHub
beforeAll(async () => {
  hub = await aRunningHub()
})
afterAll(() => hub[Symbol.asyncDispose]())

test('a token that is piped in is stored once the hub takes it, for its owner alone; commands use it until logout', async () => {
  using person = aPerson()
  const login = await person.runs(`login plant --url ${hub.url}`, { input: `${hub.token}\n` })
  expect(login).toMatchObject({ code: 0, stderr: '', stdout: `logged in to ${hub.url} as context plant\n` })
  expect(statSync(person.contexts).mode & 0o777).toBe(0o600)
  expect(readdirSync(dirname(person.contexts))).toEqual(['contexts.json'])
  expect(await person.runs('group list')).toMatchObject({ code: 0, stderr: '' })
  const listed = await person.runs('context list --json')
  expect(JSON.parse(listed.stdout)).toEqual({ contexts: [{ name: 'plant', url: hub.url, current: true }] })
  expect((await person.runs('context list')).stdout).toContain(`*  plant    ${hub.url}`)

  const elsewhere = await person.runs('group list --url http://127.0.0.1:9')
  const says = expect.stringContaining('no token for http://127.0.0.1:9: roost login')
  expect([elsewhere.code, elsewhere.stderr]).toEqual([1, says])
  const wins = await person.runs('group list', { env: { ROOST_TOKEN: 'roost_other', ROOST_URL: hub.url } })
  expect([wins.code, wins.stderr]).toEqual([
    1,
    expect.stringMatching(/unknown, expired or revoked\n {4}-> roost login /),
  ])
  const away = await person.runs('group list', { env: { ROOST_TOKEN: 'roost_other', ROOST_URL: 'http://127.0.0.1:9' } })
  expect([away.code, away.stderr]).toEqual([3, expect.stringMatching(/no hub answers at .*\n {4}-> roost doctor /)])

  const logout = await person.runs('logout')
  const revoke = `roost token revoke ${hub.token.slice(6, 14)}`
  expect([logout.code, logout.stderr]).toEqual([0, expect.stringContaining(revoke)])
  expect(readFileSync(person.contexts, 'utf8')).not.toContain('roost_')
  const after = await person.runs('group list')
  expect([after.code, after.stderr]).toEqual([1, expect.stringContaining('no token: roost login')])
})

test('at a terminal the token is asked for and not shown', async () => {
  using person = aPerson()
  const shown = await person.types(`login --url ${hub.url}`, 'token for', `x\u007f${hub.token}\r`)
  expect(shown.stdout).toMatch(/token for http[^\r\n]*: \r?\nlogged in to .* as context 127\.0\.0\.1/s)
  expect(shown.stdout).not.toContain(hub.token.slice(14))
  expect(readFileSync(person.contexts, 'utf8')).toContain(hub.token)
  const broken = await person.types(`login other --url ${hub.url}`, 'token for', 'roost_\u0003')
  expect([broken.code, broken.stdout]).toEqual([1, expect.stringContaining('nothing was stored')])
})

test('several hubs: use and remove; where the one in use is gone the next command asks for another', async () => {
  using person = aPerson()
  for (const name of ['one', 'two']) await person.runs(`login ${name} --url ${hub.url}`, { input: hub.token })
  expect((await person.runs('context use one')).stdout).toContain('commands talk to')
  expect((await person.runs('group list --context two')).code).toBe(0)
  expect((await person.runs('context remove one')).code).toBe(0)
  const none = await person.runs('group list')
  expect([none.code, none.stderr]).toEqual([
    1,
    'roost: no context is in use: roost context use <name>; there are two\n',
  ])
  const unknown = await person.runs('context use three')
  expect([unknown.code, unknown.stderr]).toEqual([1, expect.stringContaining('there are two')])
})

test('what is no good is not stored, and not repeated', async () => {
  using person = aPerson()
  const secret = `roost_${'x'.repeat(57)}`
  const noHub = createServer((_request, response) => response.end('<html>hello')).listen(0, '127.0.0.1')
  await new Promise((listening) => noHub.once('listening', listening))
  const address = noHub.address()
  const port = typeof address === 'object' ? address?.port : undefined
  const cases: [string, string, RegExp, number][] = [
    [`login --url ${hub.url}`, secret, /unknown, expired or revoked; nothing was stored/, 1],
    [`login --url ${hub.url}`, '', /no token was given/, 1],
    [`login --url ${hub.url}`, 'x'.repeat(100_000), /too long/, 1],
    [`login --url ${hub.url}`, 'roost_\u0007', /that is no token/, 1],
    [`login a/b --url ${hub.url}`, hub.token, /up to 64 letters/, 1],
    ['login --url http://127.0.0.1:9', secret, /no hub answers/, 3],
    [`login --url http://127.0.0.1:${port}`, secret, /not as a hub does/, 1],
    ['login --url ftp://hub', secret, /no address of a hub/, 1],
    ['login --url http://me:word@hub', secret, /not for a password/, 1],
    [`login --url ${hub.url}/roost`, hub.token, /at the root of its host.* write http:\/\/127\.0\.0\.1:\d+,/, 1],
  ]
  for (const [line, input, says, code] of cases) {
    const ran = await person.runs(line, { input })
    expect([line, ran.code, ran.stderr]).toEqual([line, code, expect.stringMatching(says)])
    expect(ran.stdout + ran.stderr).not.toContain('xxxx')
    expect(ran.stderr).not.toContain('word@')
  }
  expect(existsSync(person.contexts)).toBe(false)
  noHub.close()
})

test('a token that may not see models is good too', async () => {
  using person = aPerson()
  const env = { ROOST_URL: hub.url, ROOST_TOKEN: hub.token }
  const made = await person.runs('token create auditor --role admin --scope admin:audit', { env })
  expect((await person.runs(`login --url ${hub.url}`, { input: made.stdout })).code).toBe(0)
  expect((await person.runs('audit head')).code).toBe(0)
})

test.each([
  ['http://hub.example/roost', /not below a path: write http:\/\/hub\.example, and let a proxy/],
  ['http://hub.example:7070/?to=roost', /write http:\/\/hub\.example:7070,/],
  ['http://hub.example/#roost', /not below a path/],
  ['hub.example', /"hub\.example" is no address of a hub/],
  ['http://me:word@hub.example', /not for a password/],
])('%s is not taken for the root of its host, wherever it comes from', (url, says) => {
  const none = () => ({ formatVersion: 1 as const, current: null, contexts: [] })
  expect(() => chooseHub({ url, token: 'roost_x' }, {}, none)).toThrow(says)
  expect(() => chooseHub({ token: 'roost_x' }, { url }, none)).toThrow(says)
})

test('an address may end with a stroke', () => {
  const url = 'http://hub.example/'
  const kept = {
    formatVersion: 1 as const,
    current: 'a',
    contexts: [{ name: 'a', url: 'http://hub.example', token: 't' }],
  }
  expect(chooseHub({ url }, {}, () => kept)).toEqual({ url, token: 't' })
})

test('a damaged file is said to be, without what stands in it', async () => {
  using person = aPerson()
  mkdirSync(dirname(person.contexts), { recursive: true })
  writeFileSync(person.contexts, '{"contexts": [{"token": "roost_secret"}]}', { mode: 0o600 })
  const ran = await person.runs('group list')
  expect([ran.code, ran.stderr]).toEqual([1, expect.stringContaining('is damaged: remove it and log in again')])
  expect(ran.stderr).not.toContain('secret')
})

test.each([
  [{ XDG_CONFIG_HOME: '/x', HOME: '/h' }, '/x/roost/contexts.json'],
  [{ XDG_CONFIG_HOME: 'x', HOME: '/h' }, '/h/.config/roost/contexts.json'],
  [{ XDG_CONFIG_HOME: '', HOME: '/h' }, '/h/.config/roost/contexts.json'],
])('with %j contexts are kept in %s', (environment, path) => expect(contextsPath(environment)).toBe(path))

test('no token ever goes to a hub that it was not given for', () => {
  const url = fc.constantFrom('http://a', 'http://b:7070', 'https://a')
  const given = fc.record({
    url: fc.option(url, { nil: undefined }),
    token: fc.option(fc.constantFrom('typed', ''), { nil: undefined }),
  })
  const contexts = fc.uniqueArray(url, { maxLength: 3 }).chain((urls) =>
    fc.record({
      formatVersion: fc.constant(1 as const),
      current: fc.option(fc.constantFrom('n0', 'n1'), { nil: null }),
      contexts: fc.constant(urls.map((at, i) => ({ name: `n${i}`, url: at, token: `for ${at}` }))),
    }),
  )
  const chosen = (...places: Parameters<typeof chooseHub>) => {
    try {
      return chooseHub(...places)
    } catch {
      return undefined
    }
  }
  fc.assert(
    fc.property(given, given, contexts, (typed, environment, kept) => {
      const found = chosen(typed, environment, () => kept)
      if (found === undefined) return
      const wanted = typed.url || environment.url
      if (found.token === 'typed') expect(found.url).toBe(wanted ?? defaultUrl)
      else expect(found.token).toBe(`for ${found.url}`)
      if (wanted !== undefined) expect(found.url).toBe(wanted)
    }),
    { seed: 20261126, numRuns: 500 },
  )
})
