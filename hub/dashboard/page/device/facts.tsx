// What is known of the device, and its labels, which whoever may operate devices edits here.

import { useState } from 'preact/hooks'
import { answer, api } from '../api.ts'
import type { components } from '../api-types.d.ts'
import { AuditLink } from '../parts/audit-link.tsx'
import { ConfirmDialog } from '../parts/confirm-dialog.tsx'
import { Facts } from '../parts/facts.tsx'
import { Time } from '../parts/time.tsx'
import { useMay } from '../session.ts'

type Device = components['schemas']['DeviceDetail']

export function DeviceFacts({ device, onDone }: { device: Device; onDone: (what: string) => void }) {
  const may = useMay()
  const [isEditing, setEditing] = useState(false)
  const { profile, agent, rootVersion, enrolledAt, lastSeenAt, generation, reportedGeneration, labels } = device
  const isBehind = reportedGeneration !== null && reportedGeneration < generation
  return (
    <section class="card" aria-labelledby="facts">
      <div class="card-head">
        <h2 id="facts">Device</h2>
        <AuditLink subject={`device:${device.id}`}>Its changes</AuditLink>
      </div>
      <Facts
        facts={[
          ['Profile', <span class="mono">{profile}</span>],
          ['Agent', agent ?? 'not known yet'],
          [
            'Last seen',
            device.connected ? (
              'it is connected now'
            ) : lastSeenAt === null ? (
              'never'
            ) : (
              <Time at={lastSeenAt} form="full" />
            ),
          ],
          ['Enrolled', <Time at={enrolledAt} form="full" />],
          ['Root of trust', rootVersion === null ? null : `version ${rootVersion}`],
          [
            'Wish',
            reportedGeneration === null
              ? `generation ${generation}, not heard of by the device`
              : isBehind
                ? `generation ${generation}; the device knows ${reportedGeneration}`
                : `generation ${generation}, known to the device`,
          ],
          [
            'Labels',
            <div class="labels">
              {Object.entries(labels).map(([key, value]) => (
                <a
                  key={key}
                  class="label mono"
                  href={`/fleet?query=${encodeURIComponent(`${key} = ${JSON.stringify(value)}`)}`}
                >
                  {key} = {value}
                </a>
              ))}
              {Object.keys(labels).length === 0 && <span class="quiet">none</span>}
              {may('operator', 'devices') && device.revokedAt === null && (
                <button type="button" class="plain link" onClick={() => setEditing(true)}>
                  Edit labels
                </button>
              )}
            </div>,
          ],
        ]}
      />
      {isEditing && <EditLabels device={device} onClose={() => setEditing(false)} onDone={onDone} />}
    </section>
  )
}

function EditLabels({
  device,
  onClose,
  onDone,
}: {
  device: Device
  onClose: () => void
  onDone: (what: string) => void
}) {
  const [text, setText] = useState(
    Object.entries(device.labels)
      .map(([key, value]) => `${key} = ${value}`)
      .join('\n'),
  )
  const change = changeOf(device.labels, text)
  const save = async () => {
    await answer(api.PATCH('/v1/devices/{id}', { params: { path: { id: device.id } }, body: { labels: change } }))
    onDone(`The labels of ${device.id} are changed.`)
  }
  return (
    <ConfirmDialog title={`Labels of ${device.id}`} action="Save labels" onConfirm={save} onClose={onClose}>
      <label>
        One a line, key = value
        <textarea
          class="mono"
          rows={6}
          spellcheck={false}
          value={text}
          onInput={({ currentTarget }) => setText(currentTarget.value)}
        />
      </label>
      <p class="quiet">{changeWords(change)}</p>
    </ConfirmDialog>
  )
}

/** What of the labels is another than before; null: it is no more. A line without = has an empty value. */
export function changeOf(before: Readonly<Record<string, string>>, text: string): Record<string, string | null> {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
  const after = new Map(
    lines.map((line) => {
      const [key = '', ...value] = line.split('=')
      return [key.trim(), value.join('=').trim()] as const
    }),
  )
  const changed = [...after].filter(([key, value]) => before[key] !== value)
  const removed = Object.keys(before)
    .filter((key) => !after.has(key))
    .map((key) => [key, null] as const)
  return Object.fromEntries<string | null>([...changed, ...removed])
}

function changeWords(change: Record<string, string | null>): string {
  const words = Object.entries(change).map(([key, value]) => (value === null ? `takes ${key} away` : `sets ${key}`))
  return words.length === 0 ? 'Nothing is changed yet.' : `This ${words.join(', ')}.`
}
