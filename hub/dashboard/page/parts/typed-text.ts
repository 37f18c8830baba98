// The text of a field that is sent on a moment after it was typed.

import { useEffect, useRef, useState } from 'preact/hooks'

/** What was sent comes back as `value`, when more may have been typed: only a value from elsewhere takes the text's place.
 *  @returns the text, how to change it, and whom to tell of what is sent on */
export function useTypedText(
  value: string,
): [text: string, setText: (text: string) => void, sending: (value: string) => void] {
  const [text, setText] = useState(value)
  const known = useRef(value)
  useEffect(() => {
    if (value === known.current) return
    known.current = value
    setText(value)
  }, [value])
  const sending = (next: string) => {
    known.current = next
  }
  return [text, setText, sending]
}
