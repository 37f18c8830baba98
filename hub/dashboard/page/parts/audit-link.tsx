// From a thing to what was ever changed about it, and by whom. Nothing for those who may not read the audit log.

import { useMay, useSession } from '../session.ts'

/** `subject`: as the log has it, `device:d-42`; or what an actor did: `<AuditLink actor="token:Ab3dEf9h" />`. */
export function AuditLink({ subject, actor, children = 'Audit' }: AuditPlace & { children?: string }) {
  const may = useMayAudit()
  if (!may) return null
  return <a href={auditHref({ ...(subject && { subject }), ...(actor && { actor }) })}>{children}</a>
}

type AuditPlace = { subject?: string; actor?: string }

export const auditHref = (place: AuditPlace): string => `/audit?${new URLSearchParams(place)}`

/** The log tells of every model, and is closed to tokens that are for some. */
export function useMayAudit(): boolean {
  const { models } = useSession()
  return useMay()('admin', 'audit') && models === null
}
