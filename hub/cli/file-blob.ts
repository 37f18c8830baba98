// A file on its way to the hub.

import { constants, openAsBlob } from 'node:fs'
import { access, stat } from 'node:fs/promises'

/** Streamed from disk when it is sent.
 *  @throws Error naming the file where it cannot be read: openAsBlob itself names none */
export async function fileAsBlob(path: string, options?: { type: string }): Promise<Blob> {
  await access(path, constants.R_OK)
  if (!(await stat(path)).isFile()) throw new Error(`${path} is not a file`)
  return openAsBlob(path, options)
}
