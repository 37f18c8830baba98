// Rows that hold CBOR: window reports, and what is added up of them.

import { WindowReport } from '@roost/shared/protocol/records.ts'
import { decode } from '@roost/shared/protocol/wire.ts'
import { z } from 'zod'
import { BytesColumn } from '../../storage/database.ts'

export const WindowRow = z.object({ id: z.number(), device: z.string(), received_at: z.number(), body: BytesColumn })

export const readReport = (body: Uint8Array): WindowReport => read(WindowReport, body)

/** A BLOB column holding CBOR of `schema`. */
export const cborColumn = <T>(schema: z.ZodType<T>) => BytesColumn.transform((bytes) => read(schema, bytes))

/** @throws Error where the hub cannot read what it has stored itself */
export function read<T>(schema: z.ZodType<T>, bytes: Uint8Array): T {
  const decoded = decode(schema, bytes)
  if (!decoded.ok) throw new Error(`stored bytes cannot be read: ${decoded.reason}`)
  return decoded.message
}
