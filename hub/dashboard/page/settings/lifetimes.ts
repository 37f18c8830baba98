// How much time is left until something ends, in words, and how urgent that is. Pure.

import type { Tone } from '../parts/tone.ts'

const dayMs = 86_400_000

/** To change keys everywhere takes as long as a device may be away; a certificate is replaced in minutes. */
export const warnDays = { root: 90, certificate: 14 }

export function timeLeft(until: string, warnBelowDays: number, nowMs: number): { words: string; tone: Tone } {
  const leftMs = Date.parse(until) - nowMs
  if (leftMs <= 0) return { words: 'Expired', tone: 'bad' }
  const days = Math.floor(leftMs / dayMs)
  const words =
    days < 1
      ? 'Less than a day left'
      : days < 60
        ? `${days} ${days === 1 ? 'day' : 'days'} left`
        : days < 730
          ? `${Math.floor(days / 30.44)} months left`
          : `${Math.floor(days / 365.25)} years left`
  return { words, tone: days < warnBelowDays ? 'warn' : 'good' }
}
