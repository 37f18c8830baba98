// A moment: how long ago, and in full, in the viewer's zone with its name; UTC in the title.

import { useEffect, useState } from 'preact/hooks'

const units: [name: Intl.RelativeTimeFormatUnit, ms: number][] = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
]
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'short' })
const full = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' })
const zone = new Intl.DateTimeFormat('en-GB', { timeZoneName: 'short' })

/** `at`: ISO 8601. */
export function Time({ at, form = 'relative' }: { at: string; form?: 'relative' | 'full' }) {
  const [nowMs, setNow] = useState(Date.now())
  useEffect(() => {
    if (form === 'full') return
    const timer = setInterval(() => setNow(Date.now()), 30_000)
    return () => clearInterval(timer)
  }, [form])
  const date = new Date(at)
  return (
    <time dateTime={at} title={`${inFull(date)} · ${date.toISOString()}`}>
      {form === 'full' ? inFull(date) : ago(date.getTime() - Math.max(nowMs, Date.now() - 1_000))}
    </time>
  )
}

/** `3 min. ago` of -180 000. */
export function ago(ms: number): string {
  if (Math.abs(ms) < 5_000) return 'just now'
  const [unit, unitMs] = units.find(([, unitMs]) => Math.abs(ms) >= unitMs) ?? ['second', 1_000]
  return relative.format(Math.round(ms / unitMs), unit)
}

export function inFull(date: Date): string {
  const name = zone.formatToParts(date).find(({ type }) => type === 'timeZoneName')?.value ?? ''
  return `${full.format(date)} ${name}`
}
