// Small files that must be whole or not there after power was lost.

import { open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Writes `path` as a temporary file beside it, fsynced, then renamed; readable by nobody else unless `mode` says so. */
export async function writeDurably(path: string, content: string | Uint8Array, mode = 0o600): Promise<void> {
  const temporary = `${path}.new`
  {
    await using file = await open(temporary, 'w', mode)
    // whatever the umask takes away
    await file.chmod(mode)
    await file.writeFile(content)
    await file.sync()
  }
  await rename(temporary, path)
  await syncFolder(dirname(path))
}

/** A rename or a new entry is durable only when its folder is. */
export async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, 'r')
  await handle.sync()
}

/** `work`, or `fallback` where the file it wants is not there. */
export async function unlessMissing<T, F>(work: Promise<T>, fallback: F): Promise<T | F> {
  try {
    return await work
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return fallback
    throw error
  }
}
