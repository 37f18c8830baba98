// A Mosquitto of one's own over TLS, by a private authority that only the hub was told: devices learn it when they enrol.
// A certificate that is renewed disturbs nobody; one that is not to be trusted keeps hub and device away, who say why and
// what to do, and come back by themselves.

import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Finding } from '@roost/shared/diagnosis/finding.ts'
import { describe, expect, onTestFinished, test } from 'vitest'
import { checkBroker } from '../../agent/doctor/connection-checks.ts'
import { type Identity, loadIdentity } from '../../agent/identity/device.ts'
import { checkHub } from '../../hub/cli/doctor/hub-checks.ts'
import { shownCertificate } from '../../hub/cli/doctor/ports.ts'
import { anAuthority } from '../builders/certificates.ts'
import { aMosquitto, mosquittoVersion } from '../builders/mosquitto.ts'
import { aFleet, ready, register, shown, untilRuns, wish } from './a-fleet.ts'
import { aVersion } from './versions.ts'
import { until } from './waiting.ts'

console.info(mosquittoVersion ?? 'no mosquitto is installed: nothing of end-to-end/mosquitto-tls.test.ts runs')

const byMqtt = { args: ['--download', 'mqtt'] }
const here = 'IP:127.0.0.1,DNS:localhost'
const dayMs = 86_400_000

describe.runIf(mosquittoVersion !== undefined)('over a real Mosquitto with TLS', () => {
  test('hub and devices trust the named authority and no other, live through a renewal, and say what is wrong', async () => {
    const { authority, another, pemFile, place } = aPlace()
    await using broker = await aMosquitto({ tls: { pemFile, caFile: authority.caFile } })
    await using fleet = await aFleet(broker)
    await broker.start()
    const operator = fleet.operator()
    const isThere = async () => (await shown(operator, 'gateway')).connected
    const gateway = await fleet.enrol('gateway')
    const agent = await ready(gateway.start(byMqtt))
    const ca = readFileSync(authority.caFile, 'utf8')
    const identity = await loadIdentity(gateway.folder)
    if (identity === undefined) throw new Error('it is enrolled')
    expect([identity.mqttUrl, identity.mqttAuthority]).toEqual([broker.url, ca])
    const first = await register(operator, aVersion(1))
    await wish(operator, 'gateway', first.version)
    await untilRuns(operator, 'gateway', first.version)

    const hubSays = (words: string) => fleet.hub().output().split(words).length - 1
    const hubDoctor = async (over: Record<string, string> = {}, nowMs = Date.now()) =>
      told(await checkHub({ ROOST_DATA_DIR: fleet.hub().folder, ...broker.environment, ...over }, nowMs))
    const deviceDoctor = async (over: Partial<Identity> = {}) =>
      told(await checkBroker({ ...identity, ...over }, broker.url, undefined))
    expect(await hubDoctor()).toContain('ok broker TLS: the certificate is good until')
    expect(await hubDoctor({}, Date.now() + 20 * dayMs)).toContain('warning broker TLS: the certificate expires')
    const named = await hubDoctor({ ROOST_PUBLIC_MQTT_URL: 'mqtts://broker.example.com' })
    expect(named).toContain('fault broker TLS: the certificate is not for broker.example.com')
    expect(await hubDoctor({ ROOST_MQTT_CA_FILE: '' })).toContain(
      '-> name the PEM file of who signed it in ROOST_MQTT_CA_FILE',
    )
    expect(await hubDoctor({ ROOST_MQTT_CA_FILE: another.caFile })).toContain('no authority that is trusted here')

    // renewed while all run: nobody is cut off, and whoever comes now is shown the new one
    const next = authority.certify(here)
    place(next)
    broker.reload()
    await untilShown(broker.url, ca, next)
    const second = await register(operator, aVersion(2))
    await wish(operator, 'gateway', second.version)
    await untilRuns(operator, 'gateway', second.version)
    expect([agent.logged('connected').length, hubSays('connected to the broker')]).toEqual([1, 1])

    const faults: [what: string, pem: string][] = [
      ['its certificate has expired', authority.certify(here, -1)],
      ['its certificate is for another name', authority.certify('DNS:broker.example.com')],
      ['no authority that is trusted here signed its certificate', another.certify(here)],
    ]
    for (const [round, [what, pem]] of faults.entries()) {
      await broker.kill()
      place(pem)
      await broker.start()
      await until(`the hub says that ${what}`, () => hubSays(`no connection to the broker: ${what}; `) > 0)
      const distrust = () => agent.logged('broker_not_trusted').filter(({ msg }) => msg.includes(what))
      await until(`the device says that ${what}`, () => distrust().length > 0, agent.output)
      expect(distrust(), 'said once').toHaveLength(1)
      expect(await hubDoctor()).toMatch(new RegExp(`fault broker TLS: ${broker.url}: ${what} -> .*(ROOST_MQTT|SIGHUP)`))
      expect(await deviceDoctor()).toMatch(new RegExp(`^fault broker TLS: ${broker.url}: ${what} -> .`))
      expect(await isThere()).toBe(false)
      // what is read in place of it lets both back in, without a start of any
      place(authority.certify(here))
      broker.reload()
      await until('both are back', isThere, agent.output)
      await until('the device says so', () => agent.logged('connected').length > 1 + round, agent.output)
      expect(agent.logged('connected')).toHaveLength(2 + round)
    }
    expect(await deviceDoctor({ mqttAuthority: readFileSync(another.caFile, 'utf8') })).toContain('mqttAuthority')
    expect(fleet.hub().output(), 'an authority is no secret, a key is').not.toContain('PRIVATE KEY')
  }, 240_000)

  test('run.sh has a certificate read that was renewed', async () => {
    const { authority, pemFile, place } = aPlace()
    const ca = readFileSync(authority.caFile, 'utf8')
    await using broker = await aMosquitto({ signalled: false, tls: { pemFile, caFile: authority.caFile } })
    for (const name of ['passwd', 'acl']) writeFileSync(join(broker.folder, name), '')
    await broker.start()
    await untilShown(broker.url, ca, readFileSync(pemFile, 'utf8'))
    const next = authority.certify(here)
    place(next)
    await untilShown(broker.url, ca, next)
  })
})

/** Two authorities, and a certificate of the first that a broker may have. */
function aPlace() {
  const folder = mkdtempSync(join(tmpdir(), 'roost-mosquitto-tls-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const authority = anAuthority(folder, 'right')
  const another = anAuthority(folder, 'wrong')
  const pemFile = join(folder, 'broker.pem')
  /** As a whole, as the documentation has it. */
  const place = (pem: string) => {
    writeFileSync(`${pemFile}.new`, pem)
    renameSync(`${pemFile}.new`, pemFile)
  }
  place(authority.certify(here))
  return { authority, another, pemFile, place }
}

function untilShown(url: string, ca: string, pem: string): Promise<unknown> {
  const { fingerprint256 } = new X509Certificate(pem)
  return until('that certificate is shown', async () => {
    const certificate = await shownCertificate(url, ca)
    return certificate instanceof X509Certificate && certificate.fingerprint256 === fingerprint256
  })
}

/** A finding in a line. */
const told = (findings: readonly Finding[]): string =>
  findings.map(({ check, verdict, says, next }) => `${verdict} ${check}: ${says} -> ${next}`).join('\n')
