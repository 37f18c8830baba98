// Certificate and key of the listeners, read and held against each other before anything listens.

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
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
