// Settings: a wrong one is named with what it may be, an unknown one with the one that was meant.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { ConfigError, publicMqttUrl, publicUrl, readConfig, settings } from '../../hub/config.ts'
import { readBrokerAuthority, readTls } from '../../hub/tls.ts'

const fixtures = fileURLToPath(new URL('../fixtures/tls/', import.meta.url))
const fault = (environment: Record<string, string>): string => {
  try {
    readConfig(environment)
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
  return 'accepted'
}

test('without a single variable there is a configuration, and an empty variable is none', () => {
  expect(readConfig({})).toMatchObject({ dataDir: resolve('.roost'), httpPort: 7070, tls: undefined, logLevel: 'info' })
  expect(readConfig({ ROOST_HTTP_PORT: '', PATH: '/bin', ROOST_TOKEN: 'x', ROOST_AGENT_DIR: 'y' })).toEqual(
    readConfig({}),
  )
})

describe('a wrong value is named with what it may be', () => {
  test.each([
    ['ROOST_HTTP_PORT', 'http'],
    ['ROOST_HTTP_PORT', '65536'],
    ['ROOST_MQTT_PORT', '-1'],
    ['ROOST_MQTT_WS_PORT', '1.5'],
    ['ROOST_PUBLIC_URL', 'hub.example.com'],
    ['ROOST_PUBLIC_URL', 'ftp://hub.example.com'],
    ['ROOST_PUBLIC_MQTT_URL', 'https://hub.example.com'],
    ['ROOST_UPLOAD_BYTES_MAX', '0'],
    ['ROOST_UPLOAD_BYTES_MAX', '536870913'],
    ['ROOST_UPLOAD_BYTES_MAX', '1MB'],
    ['ROOST_LOG_LEVEL', 'loud'],
    ['ROOST_WINDOWS_KEPT_DAYS', 'ever'],
    ['ROOST_EVENTS_KEPT_DAYS', '0'],
  ] as const)('%s=%s', (name, value) => {
    const message = fault({ [name]: value })
    expect(message).toContain(name)
    expect(message).toContain(JSON.stringify(value))
    expect(message).toContain(settings[name].may)
  })

  test('all of them at once', () => {
    expect(fault({ ROOST_HTTP_PORT: 'x', ROOST_LOG_LEVEL: 'y', ROOST_FOO: 'z' }).split('\n')).toHaveLength(3)
  })
})

test.each([
  ['ROOST_HTP_PORT', 'ROOST_HTTP_PORT'],
  ['ROOST_DATA', 'ROOST_DATA_DIR'],
  ['ROOST_LOGLEVEL', 'ROOST_LOG_LEVEL'],
  ['ROOST_TLS_CERTFILE', 'ROOST_TLS_CERT_FILE'],
])('%s is unknown; %s was meant', (name, meant) => {
  expect(fault({ [name]: '1' })).toBe(`${name}: there is no such setting; did you mean ${meant}?`)
})

describe('TLS', () => {
  const cert = join(fixtures, 'cert.pem')
  const key = join(fixtures, 'key.pem')

  test('needs both files', () => {
    expect(fault({ ROOST_TLS_CERT_FILE: cert })).toMatch(/^ROOST_TLS_KEY_FILE: missing/)
    expect(fault({ ROOST_TLS_KEY_FILE: key })).toMatch(/^ROOST_TLS_CERT_FILE: missing/)
  })

  test.each([
    ['a file that is not there', 'nowhere.pem', key, /^ROOST_TLS_CERT_FILE: ENOENT/],
    ['a certificate that is none', key, key, /^ROOST_TLS_CERT_FILE: the file is no certificate/],
    ['a key that is none', cert, cert, /^ROOST_TLS_KEY_FILE: the file is no private key/],
    ['the key of another', cert, join(fixtures, 'other-key.pem'), /^ROOST_TLS_KEY_FILE: this is not the key/],
  ])('%s is named', async (_, certFile, keyFile, message) => {
    await expect(readTls({ tls: { certFile, keyFile } })).rejects.toThrow(message)
  })

  test('a certificate with its key is taken', async () => {
    expect(await readTls({ tls: { certFile: cert, keyFile: key } })).toMatchObject({ cert: expect.any(Buffer) })
  })
})

describe('the authority of a broker of one’s own', () => {
  const read = (caFile: string) =>
    readBrokerAuthority(
      readConfig({ ROOST_MQTT_URL: 'mqtts://broker', ROOST_MQTT_FILES_DIR: 'files', ROOST_MQTT_CA_FILE: caFile }),
    )
  const cert = join(fixtures, 'cert.pem')
  const folder = mkdtempSync(join(tmpdir(), 'roost-config-'))
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  const file = (text: string) => {
    const path = join(folder, 'ca.pem')
    writeFileSync(path, text)
    return path
  }
  const pem = readFileSync(cert, 'utf8').trim()

  test('is every certificate of its file, and nothing else that stands there: devices are told it', async () => {
    const key = readFileSync(join(fixtures, 'key.pem'), 'utf8')
    expect(await read(file(`subject: CN\n${pem}\n${key}${pem}\n`))).toBe(`${pem}\n${pem}\n`)
  })

  test.each([
    ['a file that is not there', () => 'nowhere.pem', /^ROOST_MQTT_CA_FILE: ENOENT/],
    ['a key', () => join(fixtures, 'key.pem'), /^ROOST_MQTT_CA_FILE: the file has no certificate/],
    ['a damaged one', () => file(pem.replace(/\nM/, '\nA')), /^ROOST_MQTT_CA_FILE: the file is no certificate/],
    ['all that the world trusts', () => file(`${pem}\n`.repeat(200)), /^ROOST_MQTT_CA_FILE: more than 65536/],
  ])('%s is named', async (_, path, message) => {
    await expect(read(path())).rejects.toThrow(message)
  })
})

test('public addresses are as set, else where it listens', () => {
  const config = readConfig({})
  expect([publicUrl(config, 7070), publicMqttUrl(config, 1883)]).toEqual([
    'http://127.0.0.1:7070',
    'mqtt://127.0.0.1:1883',
  ])
  const tls = readConfig({
    ROOST_TLS_CERT_FILE: 'a',
    ROOST_TLS_KEY_FILE: 'b',
    ROOST_HTTP_HOST: '::1',
    ROOST_MQTT_HOST: 'hub.local',
  })
  expect([publicUrl(tls, 1), publicMqttUrl(tls, 2)]).toEqual(['https://[::1]:1', 'mqtts://hub.local:2'])
  const set = readConfig({
    ROOST_PUBLIC_URL: 'https://hub.example.com',
    ROOST_PUBLIC_MQTT_URL: 'wss://hub.example.com/mqtt',
  })
  expect([publicUrl(set, 1), publicMqttUrl(set, 2)]).toEqual(['https://hub.example.com', 'wss://hub.example.com/mqtt'])
})

test('a broker of one’s own is a URL and a folder, and devices are told of it unless they find it elsewhere', () => {
  const own = { ROOST_MQTT_URL: 'mqtt://broker:1883', ROOST_MQTT_FILES_DIR: 'files' }
  const config = readConfig(own)
  expect(config.broker).toEqual({
    url: 'mqtt://broker:1883',
    folder: resolve('files'),
    pidFile: undefined,
    caFile: undefined,
  })
  expect(publicMqttUrl(config, 1)).toBe('mqtt://broker:1883')
  const elsewhere = readConfig({ ...own, ROOST_PUBLIC_MQTT_URL: 'mqtts://mqtt.example.com' })
  expect(publicMqttUrl(elsewhere, 1)).toBe('mqtts://mqtt.example.com')
  expect(fault({ ROOST_MQTT_URL: own.ROOST_MQTT_URL })).toMatch(/^ROOST_MQTT_FILES_DIR: missing/)
  for (const name of ['ROOST_MQTT_PID_FILE', 'ROOST_MQTT_CA_FILE']) {
    expect(fault({ [name]: 'file' })).toMatch(/^ROOST_MQTT_URL: missing/)
  }
  const withPassword = fault({ ...own, ROOST_MQTT_URL: 'mqtt://hub:hunter2@broker' })
  expect(withPassword).toContain('without user and password')
  expect(withPassword).not.toContain('hunter2')
})
