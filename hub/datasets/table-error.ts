// What is wrong with a file that should be a table: a code, and a sentence that names the line or the column.

export const tableErrorCodes = ['invalid-dataset', 'dataset-too-large'] as const
export type TableErrorCode = (typeof tableErrorCodes)[number]

export class TableError extends Error {
  override readonly name = 'TableError'
  readonly code: TableErrorCode
  constructor(code: TableErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

export const invalid = (message: string, cause?: unknown): TableError =>
  new TableError('invalid-dataset', message, { cause })

export const tooLarge = (message: string): TableError => new TableError('dataset-too-large', message)
