// Why a blob could not be had. The code tells the cases apart, the reason is what the hub counts.

import type { FailureReason } from '@roost/shared/protocol/progress.ts'

export type DownloadCode =
  | 'no-space' // the disk, or this device's share of it for blobs, is full
  | 'digest' // every chunk was right and the whole is not: the manifest contradicts itself
  | 'stalled' // asked again and again, on every way there is, and nothing came
  | 'deadline' // it came too slowly
  | 'http' // the hub answered something else than the bytes
  | 'disk' // the file system failed

export class DownloadError extends Error {
  override readonly name = 'DownloadError'
  readonly code: DownloadCode

  constructor(code: DownloadCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }

  get reason(): FailureReason {
    return this.code === 'no-space' ? 'no_space' : 'download'
  }
}
