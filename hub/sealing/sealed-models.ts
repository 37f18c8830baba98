// Which models are sealed: from then on each version that is registered is, and none can be registered open.

import { z } from 'zod'
import { auditStatements } from '../governance/audit.ts'
import { Problem } from '../problem.ts'
import { type Asker, needModel } from '../registry/edit.ts'
import type { Database, Reader } from '../storage/database.ts'

export async function isSealed(reader: Reader, model: string): Promise<boolean> {
  const row = await reader.first(z.object({ sealed: z.number() }), 'SELECT sealed FROM models WHERE name = ?', [model])
  return row?.sealed === 1
}

/** Versions that are there stay as they are. Asked for again it changes nothing.
 *  @throws Problem not-found */
export function setSealed(
  database: Database,
  model: string,
  sealed: boolean,
  nowMs: number,
  asker: Asker,
): Promise<void> {
  return database.exclusively(async (tx) => {
    await needModel(tx, model)
    const before = await isSealed(tx, model)
    if (before === sealed) return
    const change = {
      ...asker,
      action: sealed ? 'model.seal' : 'model.unseal',
      subject: `model:${model}`,
      before: { sealed: before },
      after: { sealed },
    }
    await tx.write([
      {
        sql: 'UPDATE models SET sealed = ?, revision = revision + 1, changed_at = ? WHERE name = ?',
        args: [Number(sealed), nowMs, model],
      },
      ...(await auditStatements(tx, nowMs, [change])),
    ])
  })
}

/** Whether a version that is being registered is to be sealed.
 *  @throws Problem sealed-model where it asks not to be */
export async function sealingOf(reader: Reader, model: string, asked: boolean | undefined): Promise<boolean> {
  const sealed = await isSealed(reader, model)
  if (sealed && asked === false) {
    const detail = `the versions of ${model} are sealed: leave metadata.sealed out, or have an approver unseal the model`
    throw new Problem(422, 'sealed-model', 'The model is sealed', detail, { field: 'metadata.sealed' })
  }
  return sealed || asked === true
}
