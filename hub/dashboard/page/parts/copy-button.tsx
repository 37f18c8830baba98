// Copies a text, and says that it did.

import { useEffect, useState } from 'preact/hooks'
import { ScrollRegion } from './scroll-region.tsx'

const saidMs = 2_000

export function CopyButton({ text, children = 'Copy' }: { text: string; children?: string }) {
  const [state, setState] = useState<'idle' | 'copied' | 'failed'>('idle')
  useEffect(() => {
    if (state !== 'copied') return
    const timer = setTimeout(() => setState('idle'), saidMs)
    return () => clearTimeout(timer)
  }, [state])
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text)
      setState('copied')
    } catch {
      // a page that did not come over TLS has no clipboard: the text can be marked and copied by hand
      setState('failed')
    }
  }
  return (
    <button type="button" class="copy" onClick={() => void copy()}>
      <span role="status">{state === 'copied' ? 'Copied' : state === 'failed' ? 'Mark it and copy' : children}</span>
    </button>
  )
}

/** Commands to be typed elsewhere, line by line as they are. */
export function Commands({ label, text }: { label: string; text: string }) {
  return (
    <div class="commands">
      <ScrollRegion label={label}>
        <pre>{text}</pre>
      </ScrollRegion>
      <CopyButton text={text} />
    </div>
  )
}
