// When each stage would be at the earliest: installing, then watched, on one scale.

import { inTime } from './answer.tsx'
import type { Preview } from './dry-run.ts'

export function StageTimes({ preview: { stages, durationMs } }: { preview: Preview }) {
  const share = (ms: number) => `${(100 * ms) / Math.max(1, durationMs)}%`
  return (
    <figure class="stage-times">
      <ol>
        {stages.map(({ name, devices, beginsMs, installedMs, passesMs, hold, approvals }) => (
          <li key={name}>
            <span title={name}>{name}</span>
            <span class="track">
              <span class="installing" style={{ left: share(beginsMs), width: share(installedMs - beginsMs) }} />
              <span class="watched" style={{ left: share(installedMs), width: share(passesMs - installedMs) }} />
              {(hold || approvals > 0) && <span class="gate" style={{ left: share(beginsMs) }} />}
            </span>
            <span class="quantity">{devices.toLocaleString('en')}</span>
          </li>
        ))}
      </ol>
      <figcaption>
        <span>0</span>
        <span class="key">
          <i class="installing" /> installing <i class="watched" /> watched
        </span>
        <span>{inTime(durationMs)}</span>
      </figcaption>
    </figure>
  )
}
