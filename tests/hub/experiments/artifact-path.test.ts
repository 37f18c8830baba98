// No path that a client sends leads out of its run, here or on the machine that downloads what lies there.

import { posix, win32 } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { artifactUriPath, pathFault, readPlace } from '../../../hub/experiments/artifacts/path.ts'
import { readSource } from '../../../hub/experiments/mlflow/model-source.ts'

const run = '0123456789abcdef0123456789abcdef'
const model = `m-${run}`

const tricks = [
  '..',
  '../x',
  'a/../../x',
  'a/..',
  '/etc/passwd',
  '//host/share',
  'a//b',
  'a/',
  './a',
  'a/./b',
  '..\\..\\x',
  'C:\\x',
  'C:/x',
  'c:x',
  '%2e%2e/x',
  '..%2fx',
  '%252e%252e%252fx',
  '%25252e%25252e%25252fx',
  'a%00b',
  'a\u0000b',
  'a\nb',
  'a?b',
  'a#b',
  'a%23b',
  '%5c..%5cx',
  '\ud800',
  '',
  'x'.repeat(256),
  'y/'.repeat(600),
  `%${'25'.repeat(20)}2e%2e/x`,
]

describe('a path', () => {
  test.each(tricks)('%j is refused', (path) => {
    expect(pathFault(path)).toBeTypeOf('string')
  })

  test.each([
    'MLmodel',
    'model/MLmodel',
    'plots/üñï→.png',
    'a b/c d.txt',
    '50%.txt',
    '...',
    '..a',
    'a..b/c',
    '日本/語',
  ])('%j is a path', (path) => {
    expect(pathFault(path)).toBeUndefined()
  })

  test('that is accepted stays below its folder, however often it is decoded, on both kinds of machine', () => {
    const piece = fc.constantFrom('..', '.', '/', '\\', '%2e', '%2f', '%5c', '%25', '%', 'a', 'C:', '2e', '\0', '%00')
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        let path = pieces.join('')
        if (pathFault(path) !== undefined) return
        for (let i = 0; i < 12; i++) {
          expect(posix.resolve('/root', path).startsWith('/root/')).toBe(true)
          expect(win32.resolve('C:\\root', path).startsWith('C:\\root\\')).toBe(true)
          path = path.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
        }
      }),
      { numRuns: 5_000, seed: 3 },
    )
  })
})

test('a place is a run, a logged model or a version, and a path in it', () => {
  expect(readPlace(`7/${run}/artifacts/a/b`)).toEqual({ root: '7', owner: { kind: 'run', id: run }, path: 'a/b' })
  expect(readPlace(`x/y/models/${model}/artifacts`)).toEqual({
    root: 'x/y',
    owner: { kind: 'model', id: model },
    path: '',
  })
  expect(readPlace('versions/pump/3/MLmodel')).toEqual({
    root: '',
    owner: { kind: 'version', id: 'pump/3' },
    path: 'MLmodel',
  })
  for (const path of [
    `7/${run}`,
    `7/${run}/artifactsx`,
    `${run}/artifacts`,
    `7/${run.slice(1)}/artifacts`,
    'versions/pump/0/x',
  ]) {
    expect(readPlace(path), path).toBeUndefined()
  }
  expect(artifactUriPath('mlflow-artifacts:/7/x/')).toBe('7/x')
  expect(artifactUriPath('mlflow-artifacts://host:1/7/x')).toBe('7/x')
  expect(artifactUriPath('s3://7/x')).toBeUndefined()
})

describe('the source of a version', () => {
  const files = (owner: object, folder: string) => ({ kind: 'files', owner, folder })
  test.each([
    [`models:/${model}`, undefined, model, files({ kind: 'model', id: model }, '')],
    [`models:/${model}`, undefined, undefined, files({ kind: 'model', id: model }, '')],
    [`runs:/${run}/model`, run, undefined, files({ kind: 'run', id: run }, 'model')],
    [`mlflow-artifacts:/0/${run}/artifacts/model`, run, undefined, files({ kind: 'run', id: run }, 'model')],
    ['models:/pump/3', undefined, undefined, { kind: 'version', model: 'pump', which: '3' }],
    ['models:/pump@champion', undefined, undefined, { kind: 'version', model: 'pump', which: '@champion' }],
  ])('%s is understood', (source, runId, modelId, expected) => {
    expect(readSource(source, runId, modelId)).toEqual(expected)
  })

  const elsewhere: [string, string | undefined, string | undefined][] = [
    [`runs:/${run}/model`, undefined, undefined],
    [`runs:/${run}/model`, run.replace('0', '1'), undefined],
    [`models:/${model}`, undefined, `m-${run.replace('0', '1')}`],
    [`mlflow-artifacts:/0/${run}/artifacts/model`, undefined, undefined],
    ['mlflow-artifacts:/versions/pump/3', undefined, undefined],
    ['mlflow-artifacts:/etc', run, undefined],
    [`mlflow-artifacts:/0/${run}/artifacts/../../secret`, run, undefined],
    ['/etc/passwd', run, undefined],
    ['file:///etc/passwd', run, undefined],
    ['s3://bucket/model', run, undefined],
    ['http://localhost/model', run, undefined],
  ]
  // a path of nothing is the run's folder, and a slash behind it changes nothing
  const hidden = tricks.filter((trick) => trick !== '' && !trick.endsWith('/'))
  for (const trick of hidden) elsewhere.push([`runs:/${run}/${trick}`, run, undefined])
  test.each(elsewhere)('%j is refused', (source, runId, modelId) => {
    expect(() => readSource(source, runId, modelId)).toThrow(/Invalid model version source/)
  })
})
