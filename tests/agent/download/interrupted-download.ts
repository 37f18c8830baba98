// A process that downloads one blob into the folder it is told, over a link that takes its time; made to be killed.
// Says `begun` when it begins, and ends with 0 when the blob is there.

import { setTimeout as delay } from 'node:timers/promises'
import { BlobStore } from '@roost/agent/download/blob-store.ts'
import { downloadBlob } from '@roost/agent/download/download.ts'
import { chunkBytes } from '@roost/shared/bundle/manifest.ts'
import { aBlob, aFakeHub, never, waysOf } from './builders.ts'

export const interruptedBlob = () => aBlob(30 * chunkBytes + 123, 'interrupted')

if (process.argv[1] === import.meta.filename) {
  const folder = process.argv[2]
  if (folder === undefined) throw new Error('no folder')
  const { content, file } = interruptedBlob()
  const hub = aFakeHub([content], () => [])
  const right = aFakeHub([content])
  const link = { ...right.link, publish: slowly(right.link.publish) }
  process.stdout.write('begun\n')
  await downloadBlob(file, await BlobStore.open(folder, 1e9), { ...waysOf(hub), link, times: {} }, never)
}

/** Publishes a want some milliseconds later, as a network would. */
function slowly(publish: (topic: string, bytes: Uint8Array) => Promise<void>) {
  return async (topic: string, bytes: Uint8Array) => {
    await delay(20)
    await publish(topic, bytes)
  }
}
