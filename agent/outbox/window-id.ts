// Which open window a record closed. The checkpoint of open windows and the outbox are two files: after a crash between
// writing the one and the other, the id tells that a window in the checkpoint has been appended already.

import { createHash } from 'node:crypto'
import type { WindowReport } from '@roost/shared/protocol/records.ts'

/** 16 hex digits. A deployment's role in one generation has one window open at a time, so its start tells them apart. */
export function windowId({ deployment, role, manifest, generation, from }: WindowReport): string {
  return createHash('sha256')
    .update([deployment, role, manifest, generation, from].join('\n'))
    .digest('hex')
    .slice(0, 16)
}
