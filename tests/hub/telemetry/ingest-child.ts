// A process that takes reports in as fast as it can and prints each acknowledged sequence, until it is killed.

import { pino } from 'pino'
import { openDatabase } from '../../../hub/storage/database.ts'
import { createIngest } from '../../../hub/telemetry/ingest.ts'
import { aRecord, aWindow } from '../../builders/windows.ts'

const [file = '', epoch = ''] = process.argv.slice(2)
const log = pino({ level: 'silent' })
const database = await openDatabase(file, log)
const ingest = createIngest({ database, clock: Date.now, log, onEvent: () => [] })
let seq = await ingest.highWaterMark('d-1', epoch)
for (;;) {
  const records = [1, 2, 3].map((step) =>
    aRecord(seq + step, aWindow({ counts: { ok: seq + step, error: 0, refused: 0 } })),
  )
  seq += records.length
  process.stdout.write(`${await ingest.take('d-1', { epoch, records })}\n`)
}
