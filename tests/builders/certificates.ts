// Authorities and certificates as openssl(1) makes them, for tests of what is trusted and what is not.

import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export type Authority = {
  /** PEM of its own certificate. */
  caFile: string
  /** Certificate and key for these names, as subjectAltName has them (`IP:127.0.0.1`), PEM, one after the other.
   *  @param days negative: it has expired */
  certify: (names: string, days?: number) => string
}

const usualDays = 30

/** @param name its files' in the folder; the name it goes by is every authority's here */
export function anAuthority(folder: string, name: string): Authority {
  const at = (file: string) => join(folder, `${name}-${file}`)
  const openssl = (line: string) => execFileSync('openssl', line.split(' '), { stdio: 'pipe' })
  const newKey = '-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
  openssl(`req -x509 ${newKey} -keyout ${at('ca.key')} -out ${at('ca.pem')} -subj /CN=authority -days ${usualDays}`)
  return {
    caFile: at('ca.pem'),
    certify: (names, days = usualDays) => {
      writeFileSync(at('names'), `subjectAltName=${names}\n`)
      openssl(`req -new ${newKey} -keyout ${at('key')} -out ${at('request')} -subj /CN=broker`)
      openssl(
        `x509 -req -in ${at('request')} -CA ${at('ca.pem')} -CAkey ${at('ca.key')} -CAcreateserial -out ${at('cert')} -days ${days} -extfile ${at('names')}`,
      )
      return `${readFileSync(at('cert'), 'utf8')}${readFileSync(at('key'), 'utf8')}`
    },
  }
}
