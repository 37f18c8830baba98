// Verifies the audit log of a hub that does not run, on its files.

import { join } from 'node:path'
import type { Logger } from 'pino'
import { openStopped } from '../storage/database.ts'
import { lockFolder } from '../storage/lock.ts'
import type { Head } from './audit-chain.ts'
import { type FoundHead, readHeadFile } from './audit-head.ts'
import { type Verification, verifyAudit } from './audit-verify.ts'

/** @param folder the data folder; held while it is read, so that no hub starts meanwhile
 *  @throws FolderInUseError while a hub runs; the error of stat(2) where there is no database */
export async function verifyStopped(
  folder: string,
  kept: readonly Head[],
  log: Logger,
): Promise<Verification & { signed: FoundHead }> {
  const path = join(folder, 'hub.db')
  const database = await openStopped(path, log)
  try {
    const lock = await lockFolder(folder, Date.now())
    try {
      const signed = await readHeadFile(join(folder, 'keys'))
      return { ...(await verifyAudit(database, signed, kept)), signed }
    } finally {
      await lock.close()
    }
  } finally {
    await database.close()
  }
}
