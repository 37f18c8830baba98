// What options and arguments hold, read from what was typed.

import { InvalidArgumentError } from 'commander'

export function number(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('give a number')
  return value
}

/** A version, or how many. */
export function wholeNumber(text: string): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value === 0) {
    throw new InvalidArgumentError('give a whole number, at least 1')
  }
  return value
}

/** `--label site=north --label line=3` adds up. */
export function label(text: string, before: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=')
  if (at <= 0) throw new InvalidArgumentError('write it as key=value')
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) }
}

/** `--scope ci --scope viewer` are both. */
export const repeated = (text: string, before: string[] = []): string[] => [...before, text]

/** A version's number, or an alias: `7`, `@champion`. */
export function versionReference(text: string): string {
  if (!/^([1-9]\d{0,8}|@.+)$/.test(text)) throw new InvalidArgumentError('give a number, or @ and an alias')
  return text
}

/** A whole number from 0 on. */
export function index(text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new InvalidArgumentError('give a whole number')
  return Number(text)
}
