// A plain table of few rows; it scrolls by itself where it is wider than the screen.

import type { ComponentChildren } from 'preact'
import { ScrollRegion } from '../parts/scroll-region.tsx'

/** `label`: what the rows are. */
export function RowsTable({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    <ScrollRegion label={label}>
      <table class="rows">{children}</table>
    </ScrollRegion>
  )
}
