// Asks before something is done that cannot simply be undone. The browser's own dialog keeps focus and Escape in order.

import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { ApiError } from '../api.ts'

type Props = {
  title: string
  /** On the button that does it: a verb, not `OK`. */
  action: string
  isDanger?: boolean
  onConfirm: () => Promise<void>
  onClose: () => void
  children: ComponentChildren
}

/** Open for as long as it is drawn; what `onConfirm` throws of the hub is shown in it. */
export function ConfirmDialog({ title, action, isDanger = false, onConfirm, onClose, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null)
  const [isBusy, setBusy] = useState(false)
  const [fault, setFault] = useState<ApiError>()
  useEffect(() => dialog.current?.showModal(), [])
  const confirm = async () => {
    setBusy(true)
    setFault(undefined)
    try {
      await onConfirm()
      // closed and not only taken away: the focus goes back to where it was; whoever listens to it is told by its event
      if (dialog.current === null) onClose()
      else dialog.current.close()
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      setFault(error)
      setBusy(false)
    }
  }
  return (
    <dialog ref={dialog} aria-labelledby="confirm-title" onClose={onClose}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault()
          void confirm()
        }}
      >
        <h2 id="confirm-title">{title}</h2>
        {children}
        {fault !== undefined && (
          <p class="fault" role="alert">
            {fault.problem.title}: {fault.problem.detail}
          </p>
        )}
        <div class="row end">
          <button type="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
          <button type="submit" class={isDanger ? 'danger' : 'primary'} disabled={isBusy}>
            {action}
          </button>
        </div>
      </form>
    </dialog>
  )
}
