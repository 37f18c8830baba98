// The page's types of the API are those of the hub as it is, and say what its schemas say.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { readConfig } from '../../../hub/config.ts'
import { startHub } from '../../../hub/start.ts'
import { declarationsOf, typeOf } from '../../../scripts/api-types/declarations.ts'
import { currentTypes, typesFile } from '../../../scripts/api-types/main.ts'

test('what the page knows of the API is current: else run `npm run dashboard:types`', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'roost-types-'))
  const ports = { ROOST_HTTP_PORT: '0', ROOST_MQTT_PORT: '0', ROOST_MQTT_WS_PORT: '0' }
  const running = await startHub(readConfig({ ROOST_DATA_DIR: folder, ...ports }), pino({ level: 'silent' }))
  try {
    const lines = (await currentTypes(running)).split('\n')
    const kept = readFileSync(typesFile, 'utf8').split('\n')
    expect(lines.filter((line) => !kept.includes(line))).toEqual([])
    expect(kept.filter((line) => !lines.includes(line))).toEqual([])
  } finally {
    await running.close()
    rmSync(folder, { recursive: true })
  }
})

test.each([
  [{ type: 'string' }, 'string'],
  [{ type: ['integer', 'null'] }, '(number | null)'],
  [{ enum: ['a', 1, null] }, '("a" | 1 | null)'],
  [{ const: 'x' }, '"x"'],
  [{ anyOf: [{ type: 'string' }, { type: 'string', format: 'date' }] }, 'string'],
  [{ type: 'array', items: { type: 'boolean' } }, 'boolean[]'],
  [{ type: 'array', prefixItems: [{ type: 'string' }, { type: 'number' }] }, '[string, number]'],
  [{ type: 'object', additionalProperties: { type: 'number' } }, '{ [key: string]: number }'],
  [
    { type: 'object', properties: { a: { type: 'string' }, b: {} }, required: ['a'] },
    '{ "a": string; "b"?: unknown | undefined }',
  ],
  [
    {
      allOf: [
        { $ref: '#/components/schemas/A' },
        { type: 'object', properties: { b: { type: 'null' } }, required: ['b'] },
      ],
    },
    `(components['schemas']["A"] & { "b": null })`,
  ],
  [{}, 'unknown'],
])('%j', (schema, type) => {
  expect(typeOf(schema)).toBe(type)
})

test('a schema that nothing here has is refused, not passed over', () => {
  expect(() => typeOf({ $ref: 'https://elsewhere/schema' })).toThrow('not a schema of the document')
  expect(() => typeOf({ type: 'file' })).toThrow('"file"')
  expect(() => declarationsOf({ paths: [] })).toThrow('an object was expected')
})
