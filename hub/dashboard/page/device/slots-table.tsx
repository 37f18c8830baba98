// The deployments of the device: what serves, what is wanted, what was before, what runs beside; and changing it by hand.

import { useState } from 'preact/hooks'
import { answer, api } from '../api.ts'
import type { components } from '../api-types.d.ts'
import { ConfirmDialog } from '../parts/confirm-dialog.tsx'
import { StateDot } from '../parts/state-dot.tsx'
import { Time } from '../parts/time.tsx'
import { useMay } from '../session.ts'
import { AssignDialog } from './assign-dialog.tsx'
import { type Slot, slotsOf, versionWords } from './slots.ts'
import { VersionLink } from './version-link.tsx'

type Device = components['schemas']['DeviceDetail']
type Asked =
  | { do: 'assign'; deployment: string | undefined }
  | { do: 'withdraw'; slot: Slot; role: 'primary' | 'shadow' }
  | { do: 'retry'; slot: Slot }

export function Slots({ device, onDone }: { device: Device; onDone: (what: string) => void }) {
  const may = useMay()
  const [asked, setAsked] = useState<Asked>()
  const slots = slotsOf(device)
  const mayChange = may('operator', 'devices') && device.revokedAt === null
  const close = () => setAsked(undefined)
  return (
    <section class="card" aria-labelledby="slots">
      <div class="card-head">
        <h2 id="slots">Deployments</h2>
        {mayChange && (
          <button type="button" onClick={() => setAsked({ do: 'assign', deployment: undefined })}>
            Assign…
          </button>
        )}
      </div>
      {slots.length === 0 && <p class="quiet">Nothing is wanted on it.</p>}
      <ul class="slots">
        {slots.map((slot) => (
          <li key={slot.deployment}>
            <div class="slot-head">
              <span class="mono">{slot.deployment}</span>
              <StateDot tone={slot.state.tone}>{slot.state.words}</StateDot>
            </div>
            {slot.state.reason !== undefined && <p class="fault">{slot.state.reason}</p>}
            <dl class="slot">
              <div>
                <dt>Serves</dt>
                <dd>
                  <VersionLink of={slot.serving} />
                </dd>
              </div>
              <div>
                <dt>Wanted</dt>
                <dd>
                  <VersionLink of={slot.desired} />
                  {slot.desired !== undefined && slot.desired.attempt > 1 && (
                    <small class="quiet"> attempt {slot.desired.attempt}</small>
                  )}
                </dd>
              </div>
              <div>
                <dt>Before</dt>
                <dd>
                  <VersionLink of={slot.previous} />
                </dd>
              </div>
              <div>
                <dt>Shadow</dt>
                <dd>
                  <VersionLink of={slot.shadow} />
                  {slot.shadow?.sample != null && (
                    <small class="quiet"> on {Math.round(slot.shadow.sample * 100)} %</small>
                  )}
                </dd>
              </div>
            </dl>
            {slot.desired !== undefined && (
              <small class="quiet">
                wanted since <Time at={slot.desired.changedAt} form="full" />
              </small>
            )}
            {mayChange && (
              <div class="row slot-actions">
                <button
                  type="button"
                  class="plain link"
                  onClick={() => setAsked({ do: 'assign', deployment: slot.deployment })}
                >
                  Assign another
                </button>
                {slot.desired !== undefined && (
                  <button
                    type="button"
                    class="plain link"
                    onClick={() => setAsked({ do: 'withdraw', slot, role: 'primary' })}
                  >
                    Withdraw
                  </button>
                )}
                {slot.shadow !== undefined && (
                  <button
                    type="button"
                    class="plain link"
                    onClick={() => setAsked({ do: 'withdraw', slot, role: 'shadow' })}
                  >
                    Withdraw shadow
                  </button>
                )}
                {slot.isGivenUp && (
                  <button type="button" class="plain link" onClick={() => setAsked({ do: 'retry', slot })}>
                    Try again
                  </button>
                )}
              </div>
            )}
          </li>
        ))}
      </ul>
      {asked?.do === 'assign' && (
        <AssignDialog device={device} deployment={asked.deployment} onClose={close} onDone={onDone} />
      )}
      {asked?.do === 'withdraw' && (
        <Withdraw device={device} slot={asked.slot} role={asked.role} onClose={close} onDone={onDone} />
      )}
      {asked?.do === 'retry' && <Retry device={device} slot={asked.slot} onClose={close} onDone={onDone} />}
    </section>
  )
}

type DialogProps = { device: Device; slot: Slot; onClose: () => void; onDone: (what: string) => void }

function Withdraw({ device, slot, role, onClose, onDone }: DialogProps & { role: 'primary' | 'shadow' }) {
  const { deployment } = slot
  const what = role === 'shadow' ? slot.shadow : slot.desired
  const withdraw = async () => {
    await answer(
      api.DELETE('/v1/devices/{id}/desired/{deployment}', {
        params: { path: { id: device.id, deployment }, query: { role } },
      }),
    )
    onDone(`${what === undefined ? 'It' : versionWords(what)} is withdrawn from ${deployment}; ${tellsWhen(device)}.`)
  }
  return (
    <ConfirmDialog
      title={role === 'shadow' ? `Withdraw the shadow of ${deployment}?` : `Withdraw ${deployment} from ${device.id}?`}
      action="Withdraw"
      isDanger={role === 'primary'}
      onConfirm={withdraw}
      onClose={onClose}
    >
      <p>
        {role === 'shadow'
          ? 'What serves goes on; nothing runs beside it any more.'
          : 'Nothing shall run in it any more: the device stops answering there. A shadow beside it goes, too.'}
      </p>
    </ConfirmDialog>
  )
}

function Retry({ device, slot, onClose, onDone }: DialogProps) {
  const { deployment, desired } = slot
  const retry = async () => {
    await answer(
      api.POST('/v1/devices/{id}/retry', {
        params: { path: { id: device.id } },
        body: { deployment, role: 'primary' },
      }),
    )
    onDone(`${device.id} was asked to try ${deployment} again; ${tellsWhen(device)}.`)
  }
  return (
    <ConfirmDialog title={`Try ${deployment} again?`} action="Try again" onConfirm={retry} onClose={onClose}>
      <p>
        The device gave {desired === undefined ? 'it' : versionWords(desired)} up
        {slot.state.reason === undefined ? '' : ` (${slot.state.reason})`}. It is asked for one more attempt, and its
        failures are forgotten.
      </p>
    </ConfirmDialog>
  )
}

export const tellsWhen = ({ connected }: { connected: boolean }): string =>
  connected ? 'the device is told now' : 'the device is told when it returns'
