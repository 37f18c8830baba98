// The official schemas of OpenLineage, compiled: events, and the standard facets that Roost uses.

import { readFileSync } from 'node:fs'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'

const facets = [
  'SchemaDatasetFacet',
  'DatasetVersionDatasetFacet',
  'DocumentationDatasetFacet',
  'JobTypeJobFacet',
  'ErrorMessageRunFacet',
]
const read = (name: string): object =>
  JSON.parse(readFileSync(new URL(`../../fixtures/openlineage/${name}.json`, import.meta.url), 'utf8'))

/** What is wrong with an event, by the schema of events and by that of each facet in it; undefined where nothing is.
 *  @param own the schema of the facets that are not OpenLineage's */
export function eventFault(own: object): (event: unknown) => string | undefined {
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  addFormats.default(ajv)
  const isEvent = ajv.compile({ ...read('OpenLineage'), oneOf: undefined, $ref: '#/$defs/RunEvent' })
  for (const name of facets) ajv.addSchema(read(name))
  ajv.addSchema(own)
  const byUrl = new Map<string, ValidateFunction>()
  return (event) => {
    if (!isEvent(event)) return ajv.errorsText(isEvent.errors)
    for (const { _schemaURL: url, ...content } of facetsIn(event)) {
      const isFacet = byUrl.get(url) ?? ajv.getSchema(url)
      if (isFacet === undefined) return `there is no schema ${url}`
      byUrl.set(url, isFacet)
      if (!isFacet({ ...content, _schemaURL: url })) return `${url}: ${ajv.errorsText(isFacet.errors)}`
    }
    return undefined
  }
}

type Facet = { _schemaURL: string }

function facetsIn(value: unknown): Facet[] {
  if (typeof value !== 'object' || value === null) return []
  const inside = Object.values(value).flatMap(facetsIn)
  return '_schemaURL' in value && typeof value._schemaURL === 'string'
    ? [{ ...value, _schemaURL: value._schemaURL }, ...inside]
    : inside
}
