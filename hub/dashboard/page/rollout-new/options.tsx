// What holds for the whole plan: pace and limits, answers, the maintenance window, and devices that come later.

import { PlanField } from './field.tsx'
import { answerForms, defaultOf, paceForms } from './option-forms.ts'
import { faultOf, isFields, usePlan } from './plan-context.ts'
import { canEdit } from './plan-edits.ts'

const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const

export function Options() {
  return (
    <>
      <section class="stack tight" aria-labelledby="answers">
        <h3 id="answers">Answers</h3>
        <div class="fields">
          {answerForms.map((form) => (
            <PlanField key={form.name} parent={[]} form={form} byDefault={defaultOf(form.name)} width="medium" />
          ))}
        </div>
      </section>
      <section class="stack tight" aria-labelledby="pace">
        <h3 id="pace">Pace and limits</h3>
        <div class="fields">
          {paceForms.map((form) => (
            <PlanField key={form.name} parent={[]} form={form} byDefault={defaultOf(form.name)} width="medium" />
          ))}
          <Pace />
        </div>
        <PlanField
          parent={[]}
          form={{ name: 'dynamic', label: 'Devices that fit the group later join the last stage', kind: 'boolean' }}
        />
      </section>
      <Window />
    </>
  )
}

/** A map of one field, which comes and goes as a whole. */
function Pace() {
  const { plan, edit } = usePlan()
  const isThere = isFields(plan) && plan.pace !== undefined
  return isThere ? (
    <>
      <PlanField
        parent={['pace']}
        form={{ name: 'devicesPerMinute', label: 'Pace', kind: 'number', unit: 'a minute', isNeeded: true }}
      />
      <button type="button" class="plain low" onClick={() => edit({ kind: 'remove', path: ['pace'] })}>
        No pace
      </button>
    </>
  ) : (
    <button
      type="button"
      class="low"
      onClick={() => edit({ kind: 'set', path: ['pace'], value: { devicesPerMinute: 10 } })}
    >
      Set a pace
    </button>
  )
}

function Window() {
  const { plan, document, edit, faults } = usePlan()
  const window = isFields(plan) ? plan.window : undefined
  const path = ['window']
  const fault = faultOf(faults, path) ?? faultOf(faults, [...path, 'days'])
  const days: readonly unknown[] | undefined = isFields(window) && Array.isArray(window.days) ? window.days : undefined
  const toggle = (day: string) => {
    const before = days ?? weekdays
    const after = weekdays.filter((one) => (one === day ? !before.includes(one) : before.includes(one)))
    edit({ kind: 'remove', path: [...path, 'days'] })
    if (after.length < weekdays.length) edit({ kind: 'set', path: [...path, 'days'], value: after })
  }
  return (
    <section class="stack tight" aria-labelledby="window">
      <div class="row between">
        <h3 id="window">Maintenance window</h3>
        {isFields(window) ? (
          <button type="button" class="plain" onClick={() => edit({ kind: 'remove', path })}>
            Always
          </button>
        ) : (
          <button
            type="button"
            onClick={() => edit({ kind: 'set', path, value: { from: '01:00', to: '05:00', timezone: zoneHere() } })}
          >
            Only at times
          </button>
        )}
      </div>
      {isFields(window) ? (
        <>
          <div class="fields">
            <PlanField parent={path} form={{ name: 'from', label: 'From', kind: 'text', isNeeded: true }} />
            <PlanField parent={path} form={{ name: 'to', label: 'To', kind: 'text', isNeeded: true }} />
            <PlanField
              parent={path}
              form={{ name: 'timezone', label: 'Time zone', kind: 'text' }}
              byDefault="UTC"
              width="medium"
            />
          </div>
          <fieldset class="days" disabled={!canEdit(document, [...path, 'days'])}>
            <legend>Begins on</legend>
            {weekdays.map((day) => (
              <label key={day}>
                <input
                  type="checkbox"
                  checked={days === undefined || days.includes(day)}
                  onChange={() => toggle(day)}
                />
                {day}
              </label>
            ))}
          </fieldset>
          <p class="quiet small">By the clock on the device’s wall: its label timezone counts before this one.</p>
        </>
      ) : (
        <p class="quiet small">Devices are changed at any time.</p>
      )}
      {fault !== undefined && <p class="fault">{fault}</p>}
    </section>
  )
}

const zoneHere = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone
