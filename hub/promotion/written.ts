// What a decision writes: statements, and the record of them for the audit log, in one transaction.

import { auditStatements, type Change } from '../governance/audit.ts'
import type { Reader, Statement, Writer } from '../storage/database.ts'

export type Written = { statements: Statement[]; changes: Change[] }

/** Who asks, and under which request. */
export type Asker = { actor: string; requestId?: string | undefined }

export const nothingWritten: Written = { statements: [], changes: [] }

export const joined = (...all: readonly Written[]): Written => ({
  statements: all.flatMap(({ statements }) => statements),
  changes: all.flatMap(({ changes }) => changes),
})

/** Everything in one transaction, recorded under the request that asked for it. Once in a transaction. */
export async function store(
  tx: Reader & Writer,
  nowMs: number,
  { requestId }: Asker,
  ...all: readonly Written[]
): Promise<void> {
  const { statements, changes } = joined(...all)
  const recorded = changes.map((change) => ({ ...change, requestId }))
  await tx.write([...statements, ...(await auditStatements(tx, nowMs, recorded))])
}
