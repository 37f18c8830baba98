// What a device can be told, and its end. Each is confirmed first, and says afterwards what it did.

import { useState } from 'preact/hooks'
import { ApiError, answer, api } from '../api.ts'
import type { components } from '../api-types.d.ts'
import { ConfirmDialog } from '../parts/confirm-dialog.tsx'
import { useMay } from '../session.ts'

type Device = components['schemas']['DeviceDetail']
type Level = 'debug' | 'info' | 'warn' | 'error'
const levels: readonly Level[] = ['debug', 'info', 'warn', 'error']

export function DeviceActions({ device, onDone }: { device: Device; onDone: (what: string) => void }) {
  const may = useMay()
  const [asked, setAsked] = useState<'tell' | 'revoke'>()
  if (!may('operator', 'devices') || device.revokedAt !== null) return null
  const close = () => setAsked(undefined)
  return (
    <div class="row" role="group" aria-label="What may be done">
      <button
        type="button"
        disabled={!device.connected}
        title={device.connected ? undefined : 'It is not connected: it cannot be told anything now'}
        onClick={() => setAsked('tell')}
      >
        Tell it…
      </button>
      <button type="button" onClick={() => setAsked('revoke')}>
        Revoke…
      </button>
      {asked === 'tell' && <Tell device={device} onClose={close} onDone={onDone} />}
      {asked === 'revoke' && <Revoke device={device} onClose={close} onDone={onDone} />}
    </div>
  )
}

type DialogProps = { device: Device; onClose: () => void; onDone: (what: string) => void }

function Tell({ device, onClose, onDone }: DialogProps) {
  const [kind, setKind] = useState<'report-now' | 'hello-now' | 'log-level'>('report-now')
  const [level, setLevel] = useState<Level>('info')
  const tell = async () => {
    const body = kind === 'log-level' ? { kind, level } : { kind }
    await answer(api.POST('/v1/devices/{id}/commands', { params: { path: { id: device.id } }, body }))
    onDone(`${device.id} was told: ${kind}${kind === 'log-level' ? ` ${level}` : ''}.`)
  }
  return (
    <ConfirmDialog title={`Tell ${device.id}`} action="Tell it" onConfirm={tell} onClose={onClose}>
      <label>
        What
        <select
          value={kind}
          onChange={({ currentTarget }) =>
            setKind(
              currentTarget.value === 'hello-now'
                ? 'hello-now'
                : currentTarget.value === 'log-level'
                  ? 'log-level'
                  : 'report-now',
            )
          }
        >
          <option value="report-now">report now, without waiting for the end of the window</option>
          <option value="hello-now">say hello now: what runs, and what it knows of</option>
          <option value="log-level">how much to log</option>
        </select>
      </label>
      {kind === 'log-level' && (
        <label>
          Level
          <select
            value={level}
            onChange={({ currentTarget }) => setLevel(levels.find((one) => one === currentTarget.value) ?? 'info')}
          >
            {levels.map((one) => (
              <option key={one}>{one}</option>
            ))}
          </select>
        </label>
      )}
    </ConfirmDialog>
  )
}

function Revoke({ device, onClose, onDone }: DialogProps) {
  const [typed, setTyped] = useState('')
  const revoke = async () => {
    if (typed.trim() !== device.id) {
      throw new ApiError(
        { title: 'Nothing is revoked', detail: `type ${device.id} to say that you mean it` },
        undefined,
      )
    }
    await answer(api.DELETE('/v1/devices/{id}', { params: { path: { id: device.id } } }))
    onDone(`${device.id} is revoked.`)
  }
  return (
    <ConfirmDialog title={`Revoke ${device.id}?`} action="Revoke" isDanger onConfirm={revoke} onClose={onClose}>
      <p>
        It is cut off at once and cannot come back, also not under its name. This cannot be undone: a gateway that is to
        return enrols as another device.
      </p>
      <label>
        Type {device.id} to go on
        <input
          class="mono"
          required
          autocomplete="off"
          value={typed}
          onInput={({ currentTarget }) => setTyped(currentTarget.value)}
        />
      </label>
    </ConfirmDialog>
  )
}
