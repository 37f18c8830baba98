// A sentence of the hub, with links to what it is about and its moments in the viewer's zone.

import type { components } from '../api-types.d.ts'
import { auditHref, useMayAudit } from './audit-link.tsx'
import { Time } from './time.tsx'

type Part = components['schemas']['SentencePart']

export function Sentence({ parts }: { parts: readonly Part[] }) {
  const mayAudit = useMayAudit()
  return (
    <>
      {parts.map(({ text, link, at }, n) => {
        const key = `${n} ${text}`
        if (at !== undefined) return <Time key={key} at={at} form="full" />
        const href = link === undefined ? undefined : hrefOf(link, mayAudit)
        return href === undefined ? (
          <span key={key}>{text}</span>
        ) : (
          <a key={key} href={href}>
            {text}
          </a>
        )
      })}
    </>
  )
}

/** Undefined where there is nothing to see for who looks. */
function hrefOf({ kind, name }: NonNullable<Part['link']>, mayAudit: boolean): string | undefined {
  switch (kind) {
    case 'rollout':
      return `/rollouts/${encodeURIComponent(name)}`
    // of a request it is the version, too: there its approvals are
    case 'request':
    case 'version':
      return `/models/${name.split('/').map(encodeURIComponent).join('/')}`
    case 'token':
      return mayAudit ? auditHref({ actor: name }) : undefined
  }
}
