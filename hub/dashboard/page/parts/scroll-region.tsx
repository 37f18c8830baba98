// A place whose content may be wider than the screen: it scrolls by itself, by keys, too.

import type { ComponentChildren } from 'preact'

/** `label`: what is in it. */
export function ScrollRegion({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by keys (axe: scrollable-region-focusable)
    <section class="scroll" tabIndex={0} aria-label={label}>
      {children}
    </section>
  )
}
