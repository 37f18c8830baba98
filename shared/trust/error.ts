// Why a signed document was not believed. The code is what programs and events go by, the sentence is for people.

export type TrustCode =
  | 'too-large' // longer than its kind may be; nothing of it was parsed
  | 'malformed' // not strict JSON, not canonical base64, or not of its schema
  | 'payload-type' // a document of another kind
  | 'threshold' // too few valid signatures of keys that hold the role
  | 'key' // a key that is damaged, weak, misnamed, or holds two roles
  | 'root-version' // a root that does not follow the pinned one
  | 'device' // an assignment of another device
  | 'nonce' // an answer to something else than the latest hello
  | 'generation-old' // older than what was accepted before
  | 'generation-content' // a generation known already, with other wishes
  | 'manifest' // contradicts itself

export class TrustError extends Error {
  override readonly name = 'TrustError'
  readonly code: TrustCode

  constructor(code: TrustCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
