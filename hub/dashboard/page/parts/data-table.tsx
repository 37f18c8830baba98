// A table of any length: only the rows in sight are in the document. Arrow keys, Page Up and Down, Home and End move
// through it, Enter follows the row's link.

import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { navigate } from '../router.ts'

export type Column<T> = {
  key: string
  title: string
  /** CSS grid track. */
  width: string
  cell: (row: T) => ComponentChildren
  /** Left out where the screen is narrow. */
  isWideOnly?: boolean
  isNumber?: boolean
}
export type Sort = { key: string; descending: boolean }

type Props<T> = {
  label: string
  columns: readonly Column<T>[]
  /** Of all rows, those not loaded yet too. */
  count: number
  /** Undefined: not loaded yet. */
  rowAt: (index: number) => T | undefined
  keyOf: (row: T) => string
  hrefOf?: (row: T) => string
  /** The rows in sight, for who loads them as they come. */
  onVisible?: (first: number, last: number) => void
  sortable?: ReadonlySet<string>
  sort?: Sort | undefined
  onSort?: (sort: Sort) => void
  /** Where the columns need more room than there is, the table scrolls sideways. On a wide screen, and a narrow one. */
  minWidthPx?: readonly [wide: number, narrow: number]
}

const rowPx = 40
const bordersPx = 2
/** Drawn above and below what is in sight, so that a fast scroll shows rows. */
const spare = 8

export function DataTable<T>(props: Props<T>) {
  const { label, columns, count, rowAt, keyOf, hrefOf, onVisible, sortable, sort, onSort, minWidthPx = [0, 0] } = props
  const scroller = useRef<HTMLDivElement>(null)
  const [view, setView] = useState({ top: 0, height: 600 })
  const [active, setActive] = useState(-1)
  useEffect(() => {
    const box = scroller.current
    if (box === null) return
    const measure = () => setView({ top: box.scrollTop, height: box.clientHeight })
    const observer = new ResizeObserver(measure)
    observer.observe(box)
    box.addEventListener('scroll', measure, { passive: true })
    return () => {
      observer.disconnect()
      box.removeEventListener('scroll', measure)
    }
  }, [])
  const first = Math.max(0, Math.floor(view.top / rowPx) - spare)
  const last = Math.min(count, Math.ceil((view.top + view.height) / rowPx) + spare)
  useEffect(() => onVisible?.(first, last), [first, last, onVisible])

  const move = (to: number) => {
    const next = Math.max(0, Math.min(count - 1, to))
    setActive(next)
    const box = scroller.current
    if (box === null) return
    const top = next * rowPx
    // the head covers the first row's height
    if (top < box.scrollTop) box.scrollTop = top
    else if (top + 2 * rowPx > box.scrollTop + box.clientHeight) box.scrollTop = top + 2 * rowPx - box.clientHeight
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const page = Math.max(1, Math.floor(view.height / rowPx) - 2)
    const steps: Record<string, number> = {
      ArrowDown: active + 1,
      ArrowUp: active - 1,
      PageDown: active + page,
      PageUp: active - page,
      Home: 0,
      End: count - 1,
    }
    const to = steps[event.key]
    const row = active < 0 ? undefined : rowAt(active)
    if (to !== undefined && event.target === scroller.current) move(to)
    else if (event.key === 'Enter' && event.target === scroller.current && row !== undefined && hrefOf !== undefined)
      navigate(hrefOf(row))
    else return
    event.preventDefault()
  }
  const tracks = (isWide: boolean) =>
    columns
      .filter(({ isWideOnly }) => isWide || isWideOnly !== true)
      .map(({ width }) => width)
      .join(' ')
  const rowId = (index: number) => `row-${index}`
  const shown = Array.from({ length: Math.max(0, last - first) }, (_, n) => first + n)
  return (
    <div
      class="table"
      ref={scroller}
      role="grid"
      aria-label={label}
      aria-rowcount={count + 1}
      aria-activedescendant={active >= first && active < last ? rowId(active) : undefined}
      tabIndex={0}
      onKeyDown={onKeyDown}
      style={{
        '--tracks': tracks(true),
        '--tracks-narrow': tracks(false),
        '--min-width': `${minWidthPx[0]}px`,
        '--min-width-narrow': `${minWidthPx[1]}px`,
        height: `min(70vh, 720px, ${(count + 1) * rowPx + bordersPx}px)`,
      }}
    >
      <div class="table-head" role="row" aria-rowindex={1}>
        {columns.map(({ key, title, isWideOnly, isNumber }) => {
          const isSorted = sort?.key === key
          const order = isSorted ? (sort.descending ? 'descending' : 'ascending') : 'none'
          const canSort = sortable?.has(key) === true && onSort !== undefined
          return (
            <div
              key={key}
              role="columnheader"
              class={classes(isWideOnly, isNumber)}
              aria-sort={canSort ? order : undefined}
            >
              {canSort ? (
                <button
                  type="button"
                  class="plain"
                  onClick={() => onSort({ key, descending: isSorted && !sort.descending })}
                >
                  {title}
                  <span aria-hidden="true">{isSorted ? (sort.descending ? ' ↓' : ' ↑') : ''}</span>
                </button>
              ) : (
                title
              )}
            </div>
          )
        })}
      </div>
      <div class="table-body" role="rowgroup" style={{ height: `${count * rowPx}px` }}>
        {shown.map((index) => {
          const row = rowAt(index)
          return (
            <div
              key={row === undefined ? `at-${index}` : keyOf(row)}
              id={rowId(index)}
              role="row"
              class={index === active ? 'table-row active' : 'table-row'}
              aria-rowindex={index + 2}
              aria-busy={row === undefined}
              style={{ transform: `translateY(${index * rowPx}px)` }}
              onClick={() => setActive(index)}
            >
              {columns.map(({ key, cell, isWideOnly, isNumber }) => (
                <div key={key} role="gridcell" class={classes(isWideOnly, isNumber)}>
                  {row === undefined ? <span class="skeleton" /> : cell(row)}
                </div>
              ))}
            </div>
          )
        })}
      </div>
    </div>
  )
}

const classes = (isWideOnly = false, isNumber = false): string =>
  [isWideOnly ? 'wide-only' : '', isNumber ? 'number' : ''].filter(Boolean).join(' ')
