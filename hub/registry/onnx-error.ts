// Why an ONNX file cannot be registered, in a sentence that says what to do about it.

export type OnnxErrorCode =
  | 'not-onnx'
  | 'truncated'
  | 'cyclic-graph'
  | 'external-data'
  | 'custom-domain'
  | 'too-complex'
  | 'unsupported-type'

export class OnnxError extends Error {
  override readonly name = 'OnnxError'
  readonly code: OnnxErrorCode
  constructor(code: OnnxErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
