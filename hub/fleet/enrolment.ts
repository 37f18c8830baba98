// Enrolment: a claim token and a proof of the signing key in, a device with a secret out.
// The whole step is one turn of the write queue: fifty that race for the last use of a claim get one device.

import { verify } from 'node:crypto'
import { type EnrolRequest, enrolmentClaim } from '@roost/shared/protocol/enrolment.ts'
import { TrustError } from '@roost/shared/trust/error.ts'
import { publicKeyObject } from '@roost/shared/trust/keys.ts'
import { z } from 'zod'
import { auditStatements } from '../governance/audit.ts'
import type { Hub } from '../hub.ts'
import { Problem } from '../problem.ts'
import { BytesColumn, type Reader, type Statement } from '../storage/database.ts'
import { type ClaimRow, claimFault, findClaim, useClaim } from './claims.ts'
import { hashSecret, makeSecret } from './devices.ts'
import { passwordHash } from './mosquitto/password.ts'

export type Enrolled = { device: string; secret: string }

const Known = z.object({
  id: z.string(),
  sign_key: BytesColumn,
  claim: z.string(),
  revoked_at: z.number().nullable(),
})
type Known = z.infer<typeof Known>

/** A device that asks again with the same key under the same claim, because the answer was lost, gets a new secret and
 *  costs no further use.
 *  @throws Problem bad-proof, claim-unknown, claim-expired, claim-revoked, claim-used-up, device-exists */
export async function enrolDevice(
  hub: Pick<Hub, 'database' | 'random' | 'clock'>,
  request: EnrolRequest,
  requestId?: string,
): Promise<Enrolled> {
  assertProof(request)
  const secret = makeSecret(hub.random)
  const hashes = { secret: hashSecret(secret), password: passwordHash(secret, hub.random) }
  const signKey = Buffer.from(request.signKey, 'base64')
  return hub.database.exclusively(async (tx) => {
    const claim = await findClaim(tx, request.token)
    if (claim === undefined) throw refused('claim-unknown', 'the claim token is not one of this hub’s')
    const record = (action: string, device: string) => {
      const after = { claim: claim.id, profile: request.profile, labels: claim.labels }
      const change = { actor: `claim:${claim.id}`, action, subject: `device:${device}`, after, requestId }
      return auditStatements(tx, hub.clock(), [change])
    }
    const known = await devicesLike(tx, signKey, request.device)
    const again = known.find((device) => isSameDevice(device, signKey, claim, request.device))
    if (again !== undefined && claim.revoked_at === null) {
      await tx.write([newSecret(again.id, hashes), ...(await record('device.enrol-again', again.id))])
      return { device: again.id, secret }
    }
    const fault = claimFault(claim, hub.clock())
    if (fault !== undefined) throw refused(`claim-${fault}`, `the claim is ${fault.replace('-', ' ')}`)
    const taken = known[0]
    if (taken !== undefined) throw deviceExists(taken, request.device)
    const device = request.device ?? `d-${Buffer.from(hub.random(6)).toString('hex')}`
    await tx.write([
      useClaim(claim.id),
      insertDevice(device, request, claim, hashes, hub.clock()),
      ...(await record('device.enrol', device)),
    ])
    return { device, secret }
  })
}

/** @throws Problem bad-proof unless the caller holds the private half of `signKey` */
function assertProof(request: EnrolRequest): void {
  const problem = (detail: string) =>
    new Problem(422, 'bad-proof', 'The proof does not hold', detail, { field: 'proof' })
  try {
    const key = publicKeyObject(Buffer.from(request.signKey, 'base64'))
    if (verify(null, enrolmentClaim(request), key, Buffer.from(request.proof, 'base64'))) return
  } catch (error) {
    if (error instanceof TrustError) throw problem(error.message)
    throw error
  }
  throw problem('it is not a signature of this request by its signKey')
}

const devicesLike = (reader: Reader, signKey: Uint8Array, device: string | undefined): Promise<Known[]> =>
  reader.all(Known, 'SELECT id, sign_key, claim, revoked_at FROM devices WHERE sign_key = ? OR id = ?', [
    signKey,
    device ?? null,
  ])

const isSameDevice = (known: Known, signKey: Uint8Array, claim: ClaimRow, wanted: string | undefined): boolean =>
  Buffer.compare(known.sign_key, signKey) === 0 &&
  known.claim === claim.id &&
  known.revoked_at === null &&
  (wanted === undefined || wanted === known.id)

/** Of the secret: for the hub, and for a broker of one's own. */
type Hashes = { secret: Uint8Array; password: string }

const newSecret = (device: string, { secret, password }: Hashes): Statement => ({
  sql: `UPDATE devices SET secret_sha256 = ?, broker_password = ?, next_secret_sha256 = NULL, next_broker_password = NULL
        WHERE id = ?`,
  args: [secret, password, device],
})

function insertDevice(
  device: string,
  request: EnrolRequest,
  claim: ClaimRow,
  { secret, password }: Hashes,
  nowMs: number,
): Statement {
  return {
    sql: `INSERT INTO devices (id, labels, profile, sign_key, seal_key, secret_sha256, broker_password, claim, enrolled_at)
          VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    args: [
      device,
      JSON.stringify(claim.labels),
      request.profile,
      Buffer.from(request.signKey, 'base64'),
      Buffer.from(request.sealKey, 'base64'),
      secret,
      password,
      claim.id,
      nowMs,
    ],
  }
}

const refused = (code: string, detail: string) => new Problem(403, code, 'The claim does not enrol this device', detail)

function deviceExists(taken: Known, wanted: string | undefined): Problem {
  const detail =
    taken.id === wanted
      ? `${taken.id} is taken; a name is never given twice, also after a device was revoked`
      : 'this signing key belongs to a device already; make a new one'
  return new Problem(409, 'device-exists', 'There is such a device', detail, {
    field: taken.id === wanted ? 'device' : 'signKey',
  })
}
