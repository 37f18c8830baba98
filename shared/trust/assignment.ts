// The assignment: the hub's signed wish for one device, whole, in answer to one nonce.
// A device takes it only for itself, only in answer to its own latest hello, and never an older one.

import { createHash, timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { DeploymentName, DeviceId, Digest, ModelName } from '../protocol/names.ts'
import { encodeEnvelope, payloadTypes, signEnvelope, verifyEnvelope } from './envelope.ts'
import { TrustError } from './error.ts'
import type { KeyPair } from './keys.ts'
import type { Root } from './root.ts'
import { parseStrictJson } from './strict-json.ts'

export const Assignment = z.object({
  type: z.literal('assignment'),
  formatVersion: z.literal(1),
  device: DeviceId,
  /** Only grows; a change of anything below is a new generation. */
  generation: z.number().int().positive(),
  /** The nonce of the hello it answers, hex. */
  nonce: z.string().regex(/^[0-9a-f]{32}$/),
  /** Hub time; device time moves forward to it. */
  issued: z.iso.datetime(),
  /** After this the assignment allows no new install; what serves goes on serving. */
  expires: z.iso.datetime(),
  deployments: z
    .array(
      z.object({
        deployment: DeploymentName,
        /** sha256 of the manifest's exact bytes (the payload of its envelope). */
        manifest: Digest,
        /** Raised by the hub to try a digest again that this device has denied. */
        attempt: z.number().int().positive(),
        /** A shadow runs beside the primary of its deployment, on the primary's inputs, and answers nobody. */
        role: z.literal('shadow').optional(),
        /** Of a shadow: the share of the primary's inferences that it repeats; absent `shadowSampleDefault`. */
        sample: z.number().min(0).max(1).optional(),
      }),
    )
    .max(64),
  /** Lowest counter of each model that may still be installed. */
  floors: z.record(ModelName, z.number().int().positive()),
})
export type Assignment = z.infer<typeof Assignment>

export const shadowSampleDefault = 0.1

/** The envelope's bytes, as they go into the message `assign`. */
export function signAssignment(assignment: Assignment, keyPairs: readonly KeyPair[]): Uint8Array {
  const payload = Buffer.from(JSON.stringify(assignment))
  return encodeEnvelope(signEnvelope(payloadTypes.assignment, payload, keyPairs))
}

export type AssignmentExpectations = {
  device: string
  /** Of this device's latest hello, 16 bytes. */
  nonce: Uint8Array
  /** The latest generation accepted; 0 if none was. */
  generation: number
  /** `contentDigest` of that generation; undefined if there is none. */
  contentDigest: string | undefined
}

/** The assignment, if the assignment role signed it and it is what this device may expect now.
 *  Does not look at `expires`: what has expired blocks installs, not acceptance.
 *  @throws TrustError `too-large`, `malformed`, `payload-type`, `threshold`, `key`, `device`, `nonce`,
 *  `generation-old`, `generation-content` */
export function verifyAssignment(bytes: Uint8Array, root: Root, expected: AssignmentExpectations): Assignment {
  const payload = verifyEnvelope(bytes, payloadTypes.assignment, root, 'assignment')
  const assignment = parseStrictJson(payload, Assignment)
  assertDeploymentsDiffer(assignment)
  if (assignment.device !== expected.device) throw new TrustError('device', `it is for ${assignment.device}`)
  if (!timingSafeEqual(sha256(Buffer.from(assignment.nonce, 'hex')), sha256(expected.nonce)))
    throw new TrustError('nonce', 'it does not answer the latest hello')
  assertGeneration(assignment, expected)
  return assignment
}

/** Names what an assignment wishes, apart from when and to which nonce it was said: sha256, hex, of deployments and
 *  floors in a fixed order. The same generation always has the same content. */
export function contentDigest(assignment: Pick<Assignment, 'deployments' | 'floors'>): string {
  const deployments = assignment.deployments.map(({ deployment, manifest, attempt, role, sample }) =>
    role === undefined ? [deployment, manifest, attempt] : [deployment, manifest, attempt, role, sample ?? null],
  )
  const inOrder = [deployments, Object.entries(assignment.floors)].map((part) => part.sort(byNameAndRole))
  return sha256(Buffer.from(JSON.stringify(inOrder))).toString('hex')
}

function assertGeneration(assignment: Assignment, expected: AssignmentExpectations): void {
  const { generation } = assignment
  if (generation < expected.generation)
    throw new TrustError('generation-old', `generation ${generation} after ${expected.generation}`)
  if (generation === expected.generation && contentDigest(assignment) !== expected.contentDigest)
    throw new TrustError('generation-content', `generation ${generation} came before with other wishes`)
}

function assertDeploymentsDiffer({ deployments }: Assignment): void {
  const places = deployments.map(({ deployment, role }) => `${deployment} ${role ?? 'primary'}`)
  if (new Set(places).size < places.length) throw new TrustError('malformed', 'a deployment is named twice')
}

const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest()

type Part = readonly (string | number | null)[]

/** A primary, which has fewer members, before the shadow of the same deployment. */
function byNameAndRole(a: Part, b: Part): number {
  return a[0] === b[0] ? a.length - b.length : String(a[0]) < String(b[0]) ? -1 : 1
}
