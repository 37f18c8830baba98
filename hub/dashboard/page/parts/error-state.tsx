// What went wrong, in the words of the problem document, and what can be done.

import type { ApiError } from '../api.ts'

export function ErrorState({ error, retry }: { error: ApiError; retry?: () => void }) {
  const { title, detail, requestId } = error.problem
  return (
    <div class="state" role="alert">
      <h2>{title}</h2>
      <p>{detail}</p>
      {requestId !== undefined && (
        <p class="quiet">
          Request <code>{requestId}</code>
        </p>
      )}
      {retry !== undefined && (
        <button type="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  )
}
