// Whether a broker of one's own can be trusted: by the hub, and by devices.

import { isIP } from 'node:net'
import { type Finding, fault, ok, warning } from '@roost/shared/diagnosis/finding.ts'
import { tlsFaultOf, tlsFaultWords } from '@roost/shared/diagnosis/tls-fault.ts'
import { type Config, ConfigError, publicMqttUrl } from '../../config.ts'
import { tlsFaultSteps } from '../../fleet/mosquitto/link.ts'
import { readBrokerAuthority } from '../../tls.ts'
import { certificateDays, dayMs, isLocal, shownCertificate } from './ports.ts'

/** Of the certificate that a broker of one's own shows: to the hub, and to devices, which may know it by another name. */
export async function brokerTlsFindings(
  config: Config,
  { url }: NonNullable<Config['broker']>,
  nowMs: number,
): Promise<Finding[]> {
  const check = 'broker TLS'
  const toDevices = publicMqttUrl(config, config.mqttPort)
  const isSecret = (address: string) => /^(mqtts|wss):/.test(address)
  let ca: string | undefined
  try {
    ca = await readBrokerAuthority(config)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return [fault(check, `${error.message}: the hub does not start`, 'give certificates in PEM form')]
  }
  const name = new URL(toDevices).hostname.replaceAll(/[[\]]/g, '')
  const open: Finding[] =
    isSecret(toDevices) || isLocal(name)
      ? []
      : [
          warning(
            check,
            `devices are told to find the broker at ${name} without TLS: their secrets can be read on the way`,
            'give Mosquitto a listener with TLS (scripts/mosquitto/mosquitto.conf), and set ROOST_PUBLIC_MQTT_URL to mqtts://',
          ),
        ]
  if (!isSecret(url)) return open
  const shown = await shownCertificate(url, ca)
  if (shown instanceof Error) {
    const tls = tlsFaultOf(shown)
    // that nothing answers is said already
    return tls === undefined ? open : [fault(check, `${url}: ${tlsFaultWords[tls]}`, tlsFaultSteps[tls]), ...open]
  }
  const fits = isIP(name) === 0 ? shown.checkHost(name) : shown.checkIP(name)
  if (isSecret(toDevices) && fits === undefined) {
    const says = `the certificate is not for ${name}, where devices are told to find it: they turn away`
    return [fault(check, says, 'get one with that name, or set ROOST_PUBLIC_MQTT_URL to a name it has')]
  }
  if (Date.parse(shown.validTo) - nowMs < certificateDays * dayMs)
    return [warning(check, `the certificate expires ${shown.validTo}`, tlsFaultSteps.expired), ...open]
  return [ok(check, `the certificate is good until ${shown.validTo}`), ...open]
}
