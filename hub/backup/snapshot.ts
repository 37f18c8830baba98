// The database at one moment, as a file of its own, while the hub goes on: SQLite's `VACUUM INTO`
// (https://www.sqlite.org/lang_vacuum.html#vacuuminto) over a connection of its own in a thread. A reader in WAL mode holds
// up no writer, and both are of this process: no second one ever opens the file (docs/decisions/one-hub-per-folder.md).

import { open } from 'node:fs/promises'
import { Worker } from 'node:worker_threads'

/** Writes the database at `database` as it is now to the new file `into`, which is on disk when it resolves.
 *  @throws what SQLite says, a full disk included: then `into` may be there in part */
export async function writeSnapshot(database: string, into: string): Promise<void> {
  await vacuumInto(database, into)
  // SQLite makes it by the umask, and does not wait for the disk
  await using file = await open(into, 'r')
  await file.chmod(0o600)
  await file.sync()
}

function vacuumInto(database: string, into: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./snapshot-worker.ts', import.meta.url), { workerData: { database, into } })
    worker.once('error', reject)
    worker.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`the snapshot ended with code ${code}`))))
  })
}
