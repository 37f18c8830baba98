// Enrolment over HTTP: what a device sends with its claim token, and what it gets back.
// The proof shows that the caller holds the signing key it names; it is bound to this token and to nothing else.

import { createHash } from 'node:crypto'
import { z } from 'zod'
import { DeviceId, Name } from './names.ts'

const bytesAsBase64 = (sizeBytes: number) =>
  z.base64().refine((text) => Buffer.from(text, 'base64').length === sizeBytes, `base64 of ${sizeBytes} bytes`)

/** POST /v1/enrol. `device` is the id it would like; the hub draws one where it is missing. */
export const EnrolRequest = z.object({
  token: z.string().min(1).max(128),
  device: DeviceId.optional(),
  profile: Name,
  /** Ed25519 public key, raw. */
  signKey: bytesAsBase64(32),
  /** X25519 public key, raw. */
  sealKey: bytesAsBase64(32),
  /** Ed25519 signature of `enrolmentClaim` by the private half of `signKey`. */
  proof: bytesAsBase64(64),
})
export type EnrolRequest = z.infer<typeof EnrolRequest>

/** Every device that enrols is told it: some authorities, not all that the world trusts. */
export const authorityCharactersMax = 65_536

export const EnrolResponse = z.object({
  device: DeviceId,
  /** For MQTT (user name and client id are the device's id) and HTTP Basic. Told once, kept hashed at the hub. */
  secret: z.string().min(1).max(128),
  /** The root of trust to pin: the bytes of its envelope, base64. */
  root: z.base64(),
  mqttUrl: z.string(),
  /** PEM of the authority that signed the broker's certificate, where the hub names one: no other is to be trusted there. */
  mqttAuthority: z.string().min(1).max(authorityCharactersMax).optional(),
  hubTime: z.iso.datetime(),
})
export type EnrolResponse = z.infer<typeof EnrolResponse>

/** POST /v1/devices/{id}/secret: the next secret. The old one holds until the new one is used for the first time. */
export const SecretResponse = z.object({ secret: z.string().min(1).max(128) })
export type SecretResponse = z.infer<typeof SecretResponse>

/** The exact bytes the proof signs: six lines of UTF-8 joined by \n, no newline at the end:
 *  `roost-enrolment/1`, sha256 of the token in hex, the device asked for (empty if none), profile, signKey, sealKey. */
export function enrolmentClaim(request: Omit<EnrolRequest, 'proof'>): Uint8Array {
  const tokenHash = createHash('sha256').update(request.token).digest('hex')
  const { device = '', profile, signKey, sealKey } = request
  return Buffer.from(['roost-enrolment/1', tokenHash, device, profile, signKey, sealKey].join('\n'))
}
