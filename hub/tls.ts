// Certificate and key of the listeners, read and held against each other before anything listens; and the authority of a
// broker of one's own.

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { authorityCharactersMax } from '@roost/shared/protocol/enrolment.ts'
import { type Config, ConfigError, type SettingName } from './config.ts'

/** @throws ConfigError naming the variable whose file is wrong */
export async function readTls({ tls }: Pick<Config, 'tls'>): Promise<{ cert: Buffer; key: Buffer } | undefined> {
  if (tls === undefined) return undefined
  const cert = await readPem('ROOST_TLS_CERT_FILE', tls.certFile)
  const key = await readPem('ROOST_TLS_KEY_FILE', tls.keyFile)
  const certificate = parse('ROOST_TLS_CERT_FILE', 'certificate', () => new X509Certificate(cert))
  const privateKey = parse('ROOST_TLS_KEY_FILE', 'private key', (): KeyObject => createPrivateKey(key))
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new ConfigError('ROOST_TLS_KEY_FILE: this is not the key of the certificate in ROOST_TLS_CERT_FILE')
  }
  return { cert, key }
}

/** Of the broker's certificate: one or more certificates in PEM form, as devices get them too.
 *  @throws ConfigError naming the variable whose file is wrong */
export async function readBrokerAuthority({ broker }: Pick<Config, 'broker'>): Promise<string | undefined> {
  if (broker?.caFile === undefined) return undefined
  const name = 'ROOST_MQTT_CA_FILE'
  const pem = (await readPem(name, broker.caFile)).toString('latin1')
  const certificates = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  if (certificates.length === 0) throw new ConfigError(`${name}: the file has no certificate in PEM form`)
  for (const one of certificates) parse(name, 'certificate', () => new X509Certificate(one))
  // nothing else that may stand there: a private key would go to every device
  const authority = `${certificates.join('\n')}\n`
  if (authority.length <= authorityCharactersMax) return authority
  throw new ConfigError(
    `${name}: more than ${authorityCharactersMax} characters; name only who signed this certificate`,
  )
}

async function readPem(name: SettingName, file: string): Promise<Buffer> {
  try {
    return await readFile(file)
  } catch (cause) {
    throw new ConfigError(`${name}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
}

function parse<T>(name: SettingName, what: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    throw new ConfigError(`${name}: the file is no ${what} in PEM form`, { cause })
  }
}
