// The thread of snapshot.ts.

import { pathToFileURL } from 'node:url'
import { workerData } from 'node:worker_threads'
import { createClient } from '@libsql/client'
import { z } from 'zod'

const { database, into } = z.object({ database: z.string(), into: z.string() }).parse(workerData)
const client = createClient({ url: pathToFileURL(database).href, concurrency: 1 })
await client.execute({ sql: 'VACUUM INTO ?', args: [into] })
client.close()
