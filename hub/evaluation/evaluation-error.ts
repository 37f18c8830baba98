// Why an evaluation cannot be done: a code, and a sentence that says what to change.

export class EvaluationError extends Error {
  override readonly name = 'EvaluationError'
  readonly code: string
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
