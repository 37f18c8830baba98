// The worker thread that makes one patch: names of two files in, a third file out. A patch that is not worth it is not
// finished, and its file is of no use.

import { type FileHandle, open } from 'node:fs/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { type LaidOut, makePatch } from '@roost/shared/bundle/delta/encode.ts'
import type { FileName, Source } from '@roost/shared/bundle/delta/format.ts'
import { tensorPlaces } from './tensor-places.ts'

export type Making = {
  base: FileName & { path: string }
  target: FileName & { path: string }
  patchPath: string
  bytesMax: number
}
/** `isWorth`: it became no longer than it may be. */
export type Made = { isWorth: boolean }

async function make({ base, target, patchPath, bytesMax }: Making): Promise<Made> {
  await using from = await open(base.path, 'r')
  await using to = await open(target.path, 'r')
  await using patch = await open(patchPath, 'wx', 0o600)
  const pieces = makePatch(await laidOut(from, base), await laidOut(to, target), bytesMax)
  for (;;) {
    const next = await pieces.next()
    if (next.done === true) return { isWorth: next.value }
    await patch.writeFile(next.value)
  }
}

async function laidOut(file: FileHandle, { sha256, sizeBytes }: FileName): Promise<LaidOut> {
  const source: Source = {
    sizeBytes,
    read: async (offset, length) => {
      const bytes = new Uint8Array(length)
      for (let filled = 0; filled < length; ) {
        const { bytesRead } = await file.read(bytes, filled, length - filled, offset + filled)
        if (bytesRead === 0) throw new RangeError(`${sha256} ends at byte ${offset + filled}`)
        filled += bytesRead
      }
      return bytes
    },
  }
  return { ...source, file: { sha256, sizeBytes }, tensors: await tensorPlaces(source) }
}

parentPort?.postMessage(await make(workerData))
