// What is said of a backup.

import { z } from '@hono/zod-openapi'

/** The newest are kept; what is older goes when another has been made. */
export const backupsKept = 7

export const Backup = z.object({
  name: z.string(),
  at: z.iso.datetime(),
  databaseBytes: z.number().int(),
  blobs: z.number().int(),
  blobBytes: z.number().int(),
  /** `<row>:<hash>` of the audit log in it, as `roost audit head` prints it. */
  auditHead: z.string().nullable(),
})
export type Backup = z.infer<typeof Backup>
