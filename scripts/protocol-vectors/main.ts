// npm run docs:vectors: writes docs/protocol-vectors.json, what a new agent is tested with.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { vectors } from './vectors.ts'

export const vectorsFile = join(import.meta.dirname, '../../docs/protocol-vectors.json')

export const currentVectors = (): string => `${JSON.stringify(vectors, undefined, 2)}\n`

if (import.meta.main) await writeFile(vectorsFile, currentVectors())
