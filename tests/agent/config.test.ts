// Settings of the agent: a wrong one is named with what it may be; the document names all of them.

import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { readConfig, settings, UsageError, variableOf } from '@roost/agent/config.ts'
import { describe, expect, test } from 'vitest'

function fault(args: string[], environment: Record<string, string> = {}): string {
  try {
    readConfig(args, environment)
  } catch (error) {
    if (error instanceof UsageError) return error.message
    throw error
  }
  return 'none'
}

test('without any there is a configuration', () => {
  expect(readConfig([], {})).toMatchObject({
    dir: resolve('.roost-agent'),
    serve: { host: '127.0.0.1', port: 8500 },
    replay: [],
    download: undefined,
    probationMs: undefined,
  })
})

test('a flag wins over its variable, an empty variable is none', () => {
  const environment = { ROOST_AGENT_SERVE_PORT: '8600', ROOST_AGENT_DIR: '' }
  expect(readConfig(['--serve-port', '8700'], environment).serve.port).toBe(8700)
  expect(readConfig([], environment)).toMatchObject({ dir: resolve('.roost-agent'), serve: { port: 8600 } })
})

describe('each impossible value is named with its setting and what it may be', () => {
  test.each([
    ['serve-port', '65536'],
    ['serve-port', 'http'],
    ['serve-host', 'localhost'],
    ['body-bytes-max', '0'],
    ['threads', '0'],
    ['replay', 'motes'],
    ['replay', 'motes=rows.parquet'],
    ['replay', 'Motes=rows.csv'],
    ['replay-pace', 'fast'],
    ['replay-pace', 'every:'],
    ['replay-repeat', 'perhaps'],
    ['download', 'ftp'],
    ['hub', 'hub.example'],
    ['mqtt-url', 'http://hub.example'],
    ['hello-seconds', '-1'],
    ['stale-seconds', 'never'],
    ['probation-ms', '1.5'],
    ['log-level', 'loud'],
  ])('--%s %s', (name, value) => {
    const may = Object.entries(settings).find(([known]) => known === name)?.[1].may
    expect(fault([`--${name}=${value}`])).toContain(JSON.stringify(value))
    expect(fault([`--${name}=${value}`])).toContain(`it may be ${may}`)
    expect(fault([], { [variableOf(name)]: value })).toContain(`it may be ${may}`)
  })

  test('all that are wrong at once', () => {
    expect(fault(['--threads', '0', '--download', 'ftp']).split('\n')).toHaveLength(2)
  })
})

test('what is no setting is an error, as flag and as variable', () => {
  expect(fault(['--serve-prot', '1'])).toContain('--serve-prot')
  expect(fault(['rows.csv'])).toContain('rows.csv')
  expect(fault([], { ROOST_AGENT_SERVE_PROT: '1' })).toContain('ROOST_AGENT_SERVE_PROT: there is no such setting')
  expect(fault([], { ROOST_HTTP_PORT: '1', ROOST_TOKEN: 'x' })).toBe('none')
})

test('replays take their pace and their file', () => {
  const flags = [
    '--replay',
    'a=rows.csv',
    '--replay',
    'b=/x/rows.jsonl',
    '--replay-pace',
    'every:20',
    '--replay-repeat',
  ]
  const how = { pace: { kind: 'every', intervalMs: 20 }, repeat: true }
  expect(readConfig(flags, {}).replay).toEqual([
    { deployment: 'a', path: resolve('rows.csv'), ...how },
    { deployment: 'b', path: '/x/rows.jsonl', ...how },
  ])
  expect(readConfig([], { ROOST_AGENT_REPLAY: 'a=rows.csv,b=/x/rows.jsonl' }).replay).toHaveLength(2)
})

test('docs/agent.md names every setting with its default', () => {
  const text = readFileSync(join(import.meta.dirname, '../../docs/agent.md'), 'utf8')
  for (const [name, { what }] of Object.entries(settings)) {
    const row = text.split('\n').find((line) => line.startsWith('|') && new RegExp(`--${name}\\b(?!-)`).test(line))
    expect(row, name).toBeDefined()
    const standard = /\(([^)]*)\)$/.exec(what)?.[1]
    if (standard !== undefined) expect(row, name).toContain(standard)
  }
})
