// A state as a sign and a word.

import { shapes, type Tone } from './tone.ts'

export function StateDot({ tone, children }: { tone: Tone; children: string }) {
  return (
    <span class={`dot ${tone}`}>
      <svg viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">
        <path d={shapes[tone]} fill-rule="evenodd" />
      </svg>
      {children}
    </span>
  )
}
