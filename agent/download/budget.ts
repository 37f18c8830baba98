// How long a download may take in all. Only time in which something could come is spent:
// a device that was cut off for a month goes on where it stopped.

import { DownloadError } from './error.ts'

/** Every blob gets as much, and more by its size. */
export const budgetBaseMs = 10 * 60_000
/** A link slower than this, kept up for the whole of the blob, is too slow. */
export const bytesPerSecondMin = 2_048

export type Budget = { leftMs: number }

export const budgetOf = (sizeBytes: number): Budget => ({
  leftMs: budgetBaseMs + (sizeBytes / bytesPerSecondMin) * 1000,
})

/** @throws DownloadError `deadline` when nothing is left */
export function spend(budget: Budget, elapsedMs: number): void {
  budget.leftMs -= elapsedMs
  if (budget.leftMs <= 0) throw new DownloadError('deadline', 'it came too slowly')
}
