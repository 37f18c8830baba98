// What an append can be refused with; everything else is the disk's and is waited out.

export type OutboxErrorCode = 'too-large' | 'full' | 'closed'
export class OutboxError extends Error {
  override readonly name = 'OutboxError'
  readonly code: OutboxErrorCode
  constructor(code: OutboxErrorCode, message: string) {
    super(message)
    this.code = code
  }
}
