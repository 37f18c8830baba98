// What is kept of a rollout, for who wants to go through it: each part as the hub gives it, and where else it stands.

import { auditHref, useMayAudit } from '../parts/audit-link.tsx'

const parts = [
  ['', 'The rollout', 'state, stages, approvals, and the plan with every default'],
  ['/explanation', 'The story', 'in sentences, with the numbers'],
  ['/decisions', 'Every decision', 'in order, who took it, and the verdict it followed from'],
  ['/looks', 'Every look', 'at a stage, with its verdict'],
  ['/devices', 'Every device', 'its stage, stratum and place in the draw, what it ran before, how it went'],
] as const

export function Record({ id }: { id: string }) {
  const mayAudit = useMayAudit()
  const path = `/v1/rollouts/${encodeURIComponent(id)}`
  return (
    <section class="card stack" aria-label="Record">
      <ul class="plain-list record">
        {parts.map(([part, name, what]) => (
          <li key={part}>
            <a href={path + part} target="_blank" rel="noreferrer">
              {name}
            </a>{' '}
            <span class="quiet">{what} (JSON)</span>
          </li>
        ))}
        <li>
          <a
            href={`/v1/lineage?node=${encodeURIComponent(`rollout:${id}`)}&direction=both`}
            target="_blank"
            rel="noreferrer"
          >
            Lineage
          </a>{' '}
          <span class="quiet">
            what it was made from and where it led (JSON); OpenLineage events at /v1/lineage/openlineage
          </span>
        </li>
        {mayAudit && (
          <li>
            <a href={auditHref({ subject: `rollout:${id}` })}>Audit log</a>{' '}
            <span class="quiet">who asked for what, in the chain that can be verified</span>
          </li>
        )}
      </ul>
    </section>
  )
}
