// What the plan's text was before: a template, or a slip in the form, can be taken back.

import { useCallback, useRef, useState } from 'preact/hooks'

type Text = string | undefined

const kept = 100
/** Changes that follow each other faster are one. */
const gatherMs = 800

export function useHistory(text: Text, setText: (text: Text) => void) {
  const before = useRef<Text[]>([])
  const [count, setCount] = useState(0)
  const lastMs = useRef(0)
  const current = useRef(text)
  current.current = text
  const put = useCallback(
    (next: Text) => {
      if (next === current.current) return
      const nowMs = performance.now()
      if (nowMs - lastMs.current > gatherMs || before.current.length === 0) {
        before.current = [...before.current, current.current].slice(-kept)
        setCount(before.current.length)
      }
      lastMs.current = nowMs
      current.current = next
      setText(next)
    },
    [setText],
  )
  const undo = useCallback(() => {
    if (before.current.length === 0) return
    setText(before.current.pop())
    lastMs.current = 0
    setCount(before.current.length)
  }, [setText])
  return { put, undo, canUndo: count > 0 }
}
