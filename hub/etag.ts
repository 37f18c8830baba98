// Edits that do not overwrite what somebody else has just written: the revision of a row as its ETag (RFC 9110 §13.1.1).

import { z } from '@hono/zod-openapi'
import { Problem } from './problem.ts'

export const IfMatch = z.object({
  /** The ETag of the thing as you saw it: nothing is changed if it has changed since. */
  'if-match': z
    .string()
    .regex(/^("\d{1,15}"|\*)$/, 'an ETag as you got it, in quotes')
    .optional(),
})

export const etagOf = ({ revision }: { revision: number }): string => `"${revision}"`

/** @throws Problem changed unless the If-Match of a request, where it has one, fits what is there */
export function assertUnchanged(row: { revision: number }, ifMatch: string | undefined): void {
  if (ifMatch !== undefined && ifMatch !== '*' && ifMatch !== etagOf(row)) throw changedSince(row)
}

/** For edits of what many hands write: which revision is meant must be said (RFC 6585 §3), if only as `*`.
 *  @throws Problem precondition-required */
export function assertStated(ifMatch: string | undefined): asserts ifMatch is string {
  if (ifMatch !== undefined) return
  throw new Problem(428, 'precondition-required', 'Say what you saw', 'send If-Match with the ETag you got, or *', {
    field: 'If-Match',
  })
}

export const changedSince = (row: { revision: number }): Problem =>
  new Problem(412, 'changed', 'It has changed since you looked', `its ETag is ${etagOf(row)} now`, {
    field: 'If-Match',
  })
