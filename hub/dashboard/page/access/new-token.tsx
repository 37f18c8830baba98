// A new token: the role in words, until when, and what narrows it.

import { answer, api } from '../api.ts'
import { FormDialog } from './form-dialog.tsx'
import { listed, roleWords } from './roles.ts'

const lifetimes = [
  { days: '7', title: 'a week' },
  { days: '30', title: '30 days' },
  { days: '90', title: '90 days' },
  { days: '365', title: 'a year' },
  { days: '', title: 'never' },
]

export function NewToken({ onClose }: { onClose: () => void }) {
  const make = async (form: FormData) => {
    const role = roleWords.find((known) => known.role === form.get('role'))?.role ?? 'viewer'
    const days = String(form.get('days') ?? '')
    const [scopes, models] = [listed(String(form.get('scopes') ?? '')), listed(String(form.get('models') ?? ''))]
    const name = String(form.get('name') ?? '').trim()
    const body = {
      name,
      role,
      ...(days !== '' && { expiresInDays: Number(days) }),
      ...(scopes && { scopes }),
      ...(models && { models }),
    }
    const { token } = await answer(api.POST('/v1/tokens', { body }))
    return { secret: token, what: `The token “${name}” is made` }
  }
  return (
    <FormDialog title="New token" action="Make the token" onMake={make} onClose={onClose}>
      <div>
        <label for="token-name">For whom or what</label>
        <input id="token-name" name="name" required maxLength={100} placeholder="nightly training" autocomplete="off" />
      </div>
      <fieldset class="roles">
        <legend>Role</legend>
        {roleWords.map(({ role, may, forWhom }, n) => (
          <label key={role}>
            <input type="radio" name="role" value={role} defaultChecked={n === 0} />
            <span>
              <strong>{role}</strong> may {may}
              <small class="quiet">for {forWhom}</small>
            </span>
          </label>
        ))}
      </fieldset>
      <div>
        <label for="token-days">Expires</label>
        <select id="token-days" name="days">
          {lifetimes.map(({ days, title }) => (
            <option key={days} value={days} selected={days === '90'}>
              {title === 'never' ? title : `after ${title}`}
            </option>
          ))}
        </select>
      </div>
      <details>
        <summary>Narrow it further</summary>
        <div class="stack narrow">
          <div>
            <label for="token-scopes">Only these scopes</label>
            <input id="token-scopes" name="scopes" class="mono" aria-describedby="scopes-hint" autocomplete="off" />
            <p id="scopes-hint" class="quiet">
              A scope, or one in an area: <code>viewer, ci:models</code> registers models and does nothing else;{' '}
              <code>admin:audit</code> with role admin is an auditor. Empty: all that the role has.
            </p>
          </div>
          <div>
            <label for="token-models">Only these models</label>
            <input id="token-models" name="models" class="mono" aria-describedby="models-hint" autocomplete="off" />
            <p id="models-hint" class="quiet">
              Names, or their beginning: <code>vibration, press-*</code>. Empty: every model.
            </p>
          </div>
        </div>
      </details>
    </FormDialog>
  )
}
