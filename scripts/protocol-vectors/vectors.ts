// All test vectors of the protocol, as they stand in docs/protocol-vectors.json. docs/protocol.md says how they are read.

import { sign } from 'node:crypto'
import { chunkHashBytes } from '@roost/shared/bundle/manifest.ts'
import { enrolmentClaim } from '@roost/shared/protocol/enrolment.ts'
import { encode } from '@roost/shared/protocol/wire.ts'
import { type KeyPair, privateKeyObject } from '@roost/shared/trust/keys.ts'
import { accepts, refuses } from './assigns.ts'
import {
  type Bundle,
  box,
  contentKey,
  goldenBytes,
  model,
  next,
  open,
  sealed,
  sealedGolden,
  sealedModel,
} from './bundles.ts'
import { messages, records } from './conversation.ts'
import { columnCounts, columnNames, features, latencyBins } from './counting.ts'
import {
  assignmentKey,
  device,
  deviceKey,
  nextAssignmentKey,
  nonce,
  releaseKey,
  rootEnvelopes,
  rootKey,
  roots,
  sealPair,
  sha256,
  strangerKey,
} from './parties.ts'
import { patch } from './patch.ts'

const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')

const request = {
  token: `roostclaim_0123456789ab_${'A'.repeat(43)}`,
  device,
  profile: 'generic-x64',
  signKey: base64(deviceKey.publicKey),
  sealKey: base64(sealPair.publicKey),
}
const claim = enrolmentClaim(request)

export const enrolment = {
  claim: Buffer.from(claim).toString(),
  request: { ...request, proof: base64(sign(null, claim, privateKeyObject(deviceKey))) },
}

export const vectors = legible({
  device,
  nonce,
  keys: {
    root: written(rootKey),
    release: written(releaseKey),
    assignment: written(assignmentKey),
    nextAssignment: written(nextAssignmentKey),
    stranger: written(strangerKey),
    device: written(deviceKey),
    deviceSeal: { private: sealPair.secretKey, public: sealPair.publicKey },
  },
  enrolment,
  roots: roots.map((root, i) => ({ says: root, envelope: rootEnvelopes[i] })),
  manifests: { open: document(open), next: document(next), sealed: document(sealed) },
  assigns: { accepted: accepts, refused: refuses },
  messages,
  records: records.map((says) => ({ says, body: encode(says) })),
  model: {
    ...model,
    firstChunkHash: Buffer.from(open.manifest.files[0]?.chunks ?? '', 'base64').subarray(0, chunkHashBytes),
  },
  sealing: {
    contentKey,
    box,
    golden: { plain: goldenBytes, sealed: sealedGolden },
    model: { sealedSha256: sha256(sealedModel), lastChunk: sealedModel.subarray(65_536) },
  },
  patch,
  counting: { latencyBins, columnCounts, columnNames },
  features,
})

function written({ keyid, publicKey, secretKey }: KeyPair) {
  return { seed: secretKey.subarray(0, 32), public: publicKey, keyid }
}

function document({ manifest, payload, digest, envelope }: Bundle) {
  return { digest, says: manifest, payload, envelope }
}

/** JSON of anything: bytes become `{"hex": "…"}`. */
function legible(value: unknown): unknown {
  if (value instanceof Uint8Array) return { hex: Buffer.from(value).toString('hex') }
  if (Array.isArray(value)) return value.map(legible)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, legible(part)]))
}
