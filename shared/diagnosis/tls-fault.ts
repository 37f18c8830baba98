// Why TLS with another end cannot be: what Node and OpenSSL say, in words. What to do about it, whoever asks knows better.

/** What is wrong with the certificate that was shown, or that none was. */
export type TlsFault = 'expired' | 'not-yet-valid' | 'other-name' | 'unknown-authority' | 'no-tls'

export const tlsFaultWords: Readonly<Record<TlsFault, string>> = {
  expired: 'its certificate has expired',
  'not-yet-valid': 'its certificate is not valid yet',
  'other-name': 'its certificate is for another name',
  'unknown-authority': 'no authority that is trusted here signed its certificate',
  'no-tls': 'what answers there does not speak TLS',
}

/** Undefined where the connection failed by something else. */
export function tlsFaultOf(error: unknown): TlsFault | undefined {
  // a server that greets first, in plain text
  if (/before secure TLS connection/.test(String(error))) return 'no-tls'
  return faults[errorCodeOf(error)]
}

/** Of the error, or of what it was caused by; of several addresses' failures the first. Empty where there is none. */
export function errorCodeOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return errorCodeOf(error.errors[0])
  if (!(error instanceof Error)) return ''
  if ('code' in error && typeof error.code === 'string') return error.code
  return error.cause === undefined ? '' : errorCodeOf(error.cause)
}

/** X509_V_ERR_… of OpenSSL's verification, without that prefix, and codes of Node's own (nodejs.org/api/tls.html). */
const faults: Readonly<Record<string, TlsFault>> = {
  CERT_HAS_EXPIRED: 'expired',
  CERT_NOT_YET_VALID: 'not-yet-valid',
  ERR_TLS_CERT_ALTNAME_INVALID: 'other-name',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'unknown-authority',
  SELF_SIGNED_CERT_IN_CHAIN: 'unknown-authority',
  UNABLE_TO_GET_ISSUER_CERT: 'unknown-authority',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'unknown-authority',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'unknown-authority',
  // an authority that was made anew under the name of the one that is trusted
  CERT_SIGNATURE_FAILURE: 'unknown-authority',
  ERR_SSL_WRONG_VERSION_NUMBER: 'no-tls',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'no-tls',
  EPROTO: 'no-tls',
}
