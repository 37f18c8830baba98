// The rollout plans that commands take: YAML, of which JSON is a part.

import { readFile } from 'node:fs/promises'
import { parseDocument } from 'yaml'

/** @throws Error naming file and line where it cannot be read as YAML or JSON */
export async function readPlanFile(path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8')
  // an alias may stand for so many nodes: a small file cannot become a large plan
  const document = parseDocument(text, { prettyErrors: true, uniqueKeys: true })
  const [error] = document.errors
  if (error !== undefined) throw new Error(`${path} is neither YAML nor JSON: ${error.message.split('\n')[0]}`)
  const plan: unknown = document.toJS({ maxAliasCount: 100 })
  if (typeof plan !== 'object' || plan === null)
    throw new Error(`${path} holds no plan: write stages: and a list of them`)
  return plan
}
