// Where an outbox stands when it is opened: its epoch, what is left of its records, which sequence comes next.
// Two things must never happen: a sequence used twice (the hub would take a new record for a repeat), and a record
// changed that the hub may hold in its old form. Where that is not certain, sequences jump ahead.

import type { Logger } from 'pino'
import type { OutboxDisk } from './disk.ts'
import { DoubleSlot } from './double-slot.ts'
import { sequenceJump } from './holes.ts'
import { decodeMarks, encodeMarks, type Marks } from './marks.ts'
import { parseSegmentFile } from './segment.ts'
import { SegmentLog } from './segment-log.ts'

export type Recovered = { log: SegmentLog; slot: DoubleSlot; marks: Marks; next: number }

export type RecoveryOptions = {
  segmentBytes: number
  random: (length: number) => Uint8Array
  log: Logger
  disk: OutboxDisk
}

/** Reads what `folder` (which exists) holds. Never fails on what is in a file.
 *  @throws the file system's error where the folder cannot be listed */
export async function recoverOutbox(folder: string, options: RecoveryOptions): Promise<Recovered> {
  const { segmentBytes, log, disk } = options
  const slot = await DoubleSlot.open(folder, 'marks', disk)
  const found = slot.found === undefined ? undefined : decodeMarks(slot.found)
  const epoch = found?.epoch ?? epochOf(await disk.readdir(folder), log)
  if (epoch === undefined) return startAnew(folder, slot, options)

  const sound = slot.sound && found !== undefined
  const segments = await SegmentLog.open({ folder, epoch, segmentBytes, log, disk }, sound ? found.acked : undefined)
  const acked = found?.acked ?? 0
  const last = Math.max(segments.lastNamed, acked, found?.shipped ?? 0)
  if (sound) {
    await segments.resume(true)
    return { log: segments, slot, marks: found, next: last + 1 }
  }
  // The newest marks may be lost: anything that is here may have been shipped, and more that is not here any more.
  log.warn({ folder, last }, 'outbox marks are damaged or gone, sequences jump ahead')
  const marks = { epoch, acked, shipped: last }
  await segments.resume(false)
  await writeBoth(slot, marks, log)
  return { log: segments, slot, marks, next: last + sequenceJump + 1 }
}

async function startAnew(folder: string, slot: DoubleSlot, options: RecoveryOptions): Promise<Recovered> {
  const { segmentBytes, random, log, disk } = options
  const epoch = Buffer.from(random(8)).toString('hex')
  const segments = await SegmentLog.open({ folder, epoch, segmentBytes, log, disk }, 0)
  const marks = { epoch, acked: 0, shipped: 0 }
  await writeBoth(slot, marks, log)
  return { log: segments, slot, marks, next: 1 }
}

/** Twice, so that both files hold it: from then on a damaged one shows. */
async function writeBoth(slot: DoubleSlot, marks: Marks, log: Logger): Promise<void> {
  try {
    await slot.write(encodeMarks(marks))
    await slot.write(encodeMarks(marks))
  } catch (error) {
    log.warn({ err: error }, 'outbox marks cannot be written')
  }
}

/** The epoch most segments are of; undefined where there are none. */
function epochOf(files: readonly string[], log: Logger): string | undefined {
  const byEpoch = Map.groupBy(
    files.flatMap((file) => parseSegmentFile(file) ?? []),
    ({ epoch }) => epoch,
  )
  const [most, ...others] = [...byEpoch].toSorted(([, a], [, b]) => b.length - a.length).map(([epoch]) => epoch)
  if (others.length > 0) log.error({ epoch: most, others }, 'segments of another outbox lie in the folder, unused')
  return most
}
