// docs/http-reference.md is what the hub says of itself now.

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { currentReference, referenceFile } from '../../scripts/http-reference/main.ts'

test('the page is as `npm run docs:http` writes it', async () => {
  expect(readFileSync(referenceFile, 'utf8')).toBe(await currentReference())
})
