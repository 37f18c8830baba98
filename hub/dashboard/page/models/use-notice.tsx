// What an action has done, said where it was asked for.

import { useState } from 'preact/hooks'

/** `notice` is drawn once on a page; `say` shows a sentence in it. */
export function useNotice(): { notice: preact.JSX.Element; say: (text: string) => void } {
  const [text, say] = useState('')
  return { notice: <div role="status">{text !== '' && <p class="notice">{text}</p>}</div>, say }
}
