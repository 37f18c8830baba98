// A form in a dialog that makes something with a secret, and then shows the secret, this once.

import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { ApiError } from '../api.ts'
import { CopyButton } from '../parts/copy-button.tsx'

export type Made = { secret: string; what: string }

type Props = {
  title: string
  action: string
  /** Makes it; what it throws of the hub is shown in the dialog. */
  onMake: (form: FormData) => Promise<Made>
  onClose: () => void
  children: ComponentChildren
}

export function FormDialog({ title, action, onMake, onClose, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null)
  const [isBusy, setBusy] = useState(false)
  const [fault, setFault] = useState<string>()
  const [made, setMade] = useState<Made>()
  useEffect(() => dialog.current?.showModal(), [])
  const make = async (form: FormData) => {
    setBusy(true)
    setFault(undefined)
    try {
      setMade(await onMake(form))
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      setFault(`${error.problem.title}: ${error.problem.detail}`)
    } finally {
      setBusy(false)
    }
  }
  return (
    <dialog
      ref={dialog}
      class="wide"
      aria-labelledby="form-title"
      onClose={onClose}
      // a stray Escape must not lose a secret that is shown only now
      onCancel={(event) => {
        if (made !== undefined) event.preventDefault()
      }}
    >
      {made === undefined ? (
        <form
          class="stack"
          onSubmit={(event) => {
            event.preventDefault()
            void make(new FormData(event.currentTarget))
          }}
        >
          <h2 id="form-title">{title}</h2>
          {children}
          {fault !== undefined && (
            <p class="fault" role="alert">
              {fault}
            </p>
          )}
          <div class="row end">
            <button type="button" onClick={() => dialog.current?.close()}>
              Cancel
            </button>
            <button type="submit" class="primary" disabled={isBusy}>
              {action}
            </button>
          </div>
        </form>
      ) : (
        <div class="stack">
          <h2 id="form-title">{made.what}</h2>
          <p>Copy it now: it is shown this once, and the hub keeps only its hash.</p>
          <div class="secret">
            <input aria-label="Secret" class="mono" readOnly value={made.secret} onFocus={selectAll} />
            <CopyButton text={made.secret} />
          </div>
          <div class="row end">
            <button type="button" class="primary" onClick={() => dialog.current?.close()}>
              I have it
            </button>
          </div>
        </div>
      )}
    </dialog>
  )
}

const selectAll = ({ currentTarget }: { currentTarget: HTMLInputElement }) => currentTarget.select()
