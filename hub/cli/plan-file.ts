// The rollout plans that commands take.

import { readFile } from 'node:fs/promises'
import { readPlanText } from '../rollouts/plan/plan-text.ts'

/** @throws Error naming file and line where it cannot be read as YAML or JSON */
export async function readPlanFile(path: string): Promise<unknown> {
  const read = readPlanText(await readFile(path, 'utf8'))
  if (read.ok) return read.plan
  const { message } = read.fault
  throw new Error(
    message.startsWith('holds no plan') ? `${path} ${message}` : `${path} is neither YAML nor JSON: ${message}`,
  )
}
