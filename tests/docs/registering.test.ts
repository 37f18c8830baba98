// docs/registering.md held against the code: the parts' limits, the metadata's fields, and every problem there can be.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { goldenVectorsMax } from '@roost/shared/bundle/golden.ts'
import type { FeatureErrorCode } from '@roost/shared/features/compile.ts'
import { expect, test } from 'vitest'
import { Metadata } from '../../hub/registry/metadata.ts'
import type { OnnxErrorCode } from '../../hub/registry/onnx-error.ts'
import { outputElementsMax } from '../../hub/registry/scorer/bounds.ts'
import { ScorerReply } from '../../hub/registry/scorer-messages.ts'
import { sampleValuesMax } from '../../hub/registry/training-rows.ts'
import { registrationsMax } from '../../hub/registry/turns.ts'
import { goldenBytesMax, metadataBytesMax, sampleBytesMax } from '../../hub/registry/upload.ts'
import { codeIn, readSections } from './document.ts'

const root = join(import.meta.dirname, '../..')
const page = readFileSync(join(root, 'docs/registering.md'), 'utf8')
const rowsUnder = (heading: string) =>
  readSections(page).find((section) => section.heading === heading)?.tables[0]?.rows ?? []

const mebibyte = 1_048_576

test('parts and their limits', () => {
  expect(rowsUnder('Registering a version').map(([part, , most]) => [codeIn(part)[0], most])).toEqual([
    ['model', '`ROOST_UPLOAD_BYTES_MAX` (512 MiB)'],
    ['metadata', `${metadataBytesMax / mebibyte} MiB`],
    ['sample', `${sampleBytesMax / mebibyte} MiB, and ${sampleValuesMax.toLocaleString('en-US')} numbers`],
    ['golden', `${goldenBytesMax / mebibyte} MiB, and ${goldenVectorsMax} vectors`],
  ])
  expect(registrationsMax).toBe(8)
  expect(page.replaceAll(/\s+/g, ' ')).toContain('Eight registrations may be under way')
  expect(page).toContain(`more than ${outputElementsMax.toLocaleString('en-US')} elements`)
})

test('the fields of the metadata', () => {
  expect(rowsUnder('Metadata').flatMap(([field]) => codeIn(field))).toEqual(Object.keys(Metadata.shape))
})

test('every problem that the registry answers with, with its status', () => {
  const onnx = {
    'not-onnx': 422,
    truncated: 422,
    'cyclic-graph': 422,
    'external-data': 422,
    'custom-domain': 422,
    'too-complex': 422,
    'unsupported-type': 422,
  } satisfies Record<OnnxErrorCode, number>
  const features = {
    'unknown-feature': 422,
    'duplicate-feature': 422,
    'duplicate-input': 422,
    'rate-without-time': 422,
    'too-much-history': 422,
  } satisfies Record<FeatureErrorCode, number>
  const failed = ScorerReply.options.find(({ shape }) => 'code' in shape)
  const scored = failed !== undefined && 'code' in failed.shape ? failed.shape.code.options : []
  const known = new Map<string, number>([
    ...Object.entries(onnx),
    ...Object.entries(features),
    ...scored.map((code): [string, number] => [code, 422]),
    ...codesThrown(),
    // hub/problem.ts: of any request
    ['invalid-request', 422],
    // a ScoreError that is the hub's state and not the model's
    ['busy', 503],
  ])
  const written = rowsUnder('Problems').map(([code, status]): [string, number] => [
    codeIn(code)[0] ?? '',
    Number(status),
  ])
  expect(Object.fromEntries(written)).toEqual(Object.fromEntries(known))
})

/** Problems and ScoreErrors with their code beside them, in the sources of the registry. */
function codesThrown(): [string, number][] {
  // of downloads, not of registering
  const files = ['hub/registry', 'hub/sealing'].flatMap((folder) =>
    readdirSync(join(root, folder))
      .filter((name) => name.endsWith('.ts') && name !== 'blob-route.ts')
      .map((name) => join(root, folder, name)),
  )
  return files.flatMap((path) => {
    const source = readFileSync(path, 'utf8')
    const problems = [...source.matchAll(/new Problem\(\s*(\d{3}),\s*'([a-z-]+)'/g)]
    const scores = [...source.matchAll(/new ScoreError\(\s*'([a-z-]+)'/g)]
    return [
      ...problems.map(([, status, code]): [string, number] => [code ?? '', Number(status)]),
      ...scores.map(([, code]): [string, number] => [code ?? '', 422]),
    ]
  })
}
