// One agent per folder, enforced by the kernel: an abstract Unix socket (unix(7)) named for the folder, which ends with the
// process, however it ends. Elsewhere than on Linux there is none, and the serving port is what two agents collide at.

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { realpath } from 'node:fs/promises'
import { createServer } from 'node:net'
import { systemCode } from '../durable-file.ts'

export class FolderInUseError extends Error {
  override readonly name = 'FolderInUseError'
}

/** @param folder exists
 *  @throws FolderInUseError where another agent of this machine runs on it */
export async function lockFolder(folder: string): Promise<{ close: () => void }> {
  if (process.platform !== 'linux') return { close: () => undefined }
  const name = createHash('sha256')
    .update(await realpath(folder))
    .digest('hex')
  const server = createServer((socket) => socket.destroy())
  server.listen(`\0roost-agent-${name}`)
  try {
    await once(server, 'listening')
  } catch (error) {
    if (systemCode(error) !== 'EADDRINUSE') throw error
    throw new FolderInUseError(`${folder} is in use by another agent: stop that one first, or choose another --dir`)
  }
  return { close: () => server.close() }
}
