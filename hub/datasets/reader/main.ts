// The process that reads a snapshot: one request, its replies, the end. It knows nothing of the hub.

import { readSchema } from '../schema.ts'
import { describeColumns } from '../statistics/describe.ts'
import { openTable } from '../table.ts'
import { TableError } from '../table-error.ts'
import { readBlocks } from './blocks.ts'
import { countColumns } from './counting.ts'
import { type ReaderReply, ReaderRequest } from './messages.ts'

process.once('message', (message) => {
  answer(ReaderRequest.parse(message)).then(
    () => process.disconnect(),
    (error) => {
      if (!(error instanceof TableError)) throw error
      return reply({ kind: 'failed', code: error.code, message: error.message }).then(() => process.disconnect())
    },
  )
})
await reply({ kind: 'up' })

async function answer(request: ReaderRequest): Promise<void> {
  const { path, format } = request
  switch (request.kind) {
    case 'describe': {
      const schema = await readSchema(await openTable(path, format), { textual: format === 'csv' })
      const columns = await describeColumns(await openTable(path, format), schema.columns)
      return reply({ kind: 'described', rows: schema.rows, columns })
    }
    case 'read': {
      let rows = 0
      for await (const block of readBlocks(await openTable(path, format, names(request.columns)), request.columns)) {
        rows += block.rows
        await reply({ kind: 'block', ...block })
      }
      return reply({ kind: 'read', rows })
    }
    case 'count': {
      const table = await openTable(path, format, names(request.columns))
      return reply({ kind: 'counted', ...(await countColumns(table, request.columns)) })
    }
  }
}

const names = (columns: readonly { name: string }[]) => columns.map(({ name }) => name)

/** Resolves when the message is on its way, so that what waits to be sent stays bounded. */
function reply(message: ReaderReply): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send?.(message, undefined, undefined, (error: Error | null) => (error === null ? resolve() : reject(error)))
  })
}
