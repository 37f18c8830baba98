// The official schema of CycloneDX 1.6, compiled.

import { readFileSync } from 'node:fs'
import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'

const read = (name: string): object =>
  JSON.parse(readFileSync(new URL(`../../fixtures/cyclonedx/${name}.schema.json`, import.meta.url), 'utf8'))

/** What is wrong with a bill of materials; undefined where nothing is. */
export function bomFault(): (bom: unknown) => string | undefined {
  const ajv = new Ajv({ strict: false, allErrors: true })
  addFormats.default(ajv)
  // ajv-formats has no international ones: none of what is made here is an address with letters beyond ASCII
  ajv.addFormat('idn-email', /^[^\s@]+@[^\s@]+$/)
  ajv.addFormat('iri-reference', /^\S*$/)
  ajv.addSchema(read('jsf-0.82'))
  ajv.addSchema(read('spdx'))
  const isBom = ajv.compile(read('bom-1.6'))
  return (bom) => (isBom(bom) ? undefined : ajv.errorsText(isBom.errors))
}
