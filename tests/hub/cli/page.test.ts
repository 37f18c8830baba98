// Every command of docs/cli.md, in its order, as somebody types them who follows the page; and its tables against the code.

import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { exitCodes } from '../../../hub/cli/exit-codes.ts'
import { aHubProcess } from '../../builders/hub-process.ts'
import { aPerson } from './a-person.ts'

const page = readFileSync(fileURLToPath(new URL('../../../docs/cli.md', import.meta.url)), 'utf8')
const commands = [...page.matchAll(/^```sh\n(.*?)^```/gms)].flatMap(([, text = '']) => text.trim().split('\n'))
const freePorts = { ROOST_HTTP_PORT: '0', ROOST_MQTT_PORT: '0', ROOST_MQTT_WS_PORT: '0' }

test('the page, from an empty home folder on', async () => {
  using person = aPerson()
  const data = join(person.home, 'hub')
  const [init = '', doctor = '', ...others] = commands
  const env = { ROOST_DATA_DIR: data, ...freePorts }
  const roost = (line: string) => line.replace(/^roost /, '')
  const made = await person.runs(roost(init), { env })
  expect([made.code, made.stderr]).toEqual([0, ''])
  expect(made.stdout).toMatch(/^made \S+\/hub, and logged in .*\nnext:\n +roost hub/)
  expect(made.stdout).not.toContain('roost_')
  expect(statSync(join(data, 'keys/root.pem')).mode & 0o077).toBe(0)
  expect(await person.runs(roost(doctor), { env })).toMatchObject({ code: 0, stderr: '' })

  const again = await person.runs('init --context other', { env })
  expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('holds a hub already: start it (roost hub)')])

  const stored = JSON.parse(readFileSync(person.contexts, 'utf8'))
  await using hub = await aHubProcess({ folder: data })
  expect(hub.adminToken).toBeUndefined()
  // the hub of the test has a port of its own
  const [context] = stored.contexts
  writeFileSync(person.contexts, JSON.stringify({ ...stored, contexts: [{ ...context, url: hub.url }] }), {
    mode: 0o600,
  })
  for (const command of others) {
    const [line = '', input] = roost(command).replace('http://127.0.0.1:7070', hub.url).split(' < ')
    // the first ones are about contexts, and remove them
    const byContext = /^(context|login|logout|group) /.test(line)
    const environment: Record<string, string> = byContext ? {} : { ROOST_URL: hub.url, ROOST_TOKEN: context.token }
    const ran = await person.runs(line, { env: environment, ...(input === undefined ? {} : { input: context.token }) })
    expect([line, ran.code, ran.stdout === '']).toEqual([line, 0, false])
  }
  expect(await hub.stop()).toBe(0)
})

test('the exit codes of the page are those of the code', () => {
  const rows = [...page.matchAll(/^\| ([\d, ]+) \|/gm)].flatMap(([, codes = '']) => codes.split(', ').map(Number))
  expect(rows).toEqual(Object.values(exitCodes))
})
