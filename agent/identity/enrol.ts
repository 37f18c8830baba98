// Enrolment: a claim token becomes a device. Keys are made here, the hub's root of trust is pinned, the secret is kept.

import { tlsFaultOf, tlsFaultWords } from '@roost/shared/diagnosis/tls-fault.ts'
import type { Profile } from '@roost/shared/profiles/profile.ts'
import { EnrolResponse, enrolmentClaim } from '@roost/shared/protocol/enrolment.ts'
import { TrustError } from '@roost/shared/trust/error.ts'
import nacl from 'tweetnacl'
import { Agent, request } from 'undici'
import { z } from 'zod'
import { type Identity, IdentityError, identityFolder, loadIdentity, openDeviceKeys, saveIdentity } from './device.ts'
import { pinFirstRoot, savePinnedState } from './pinned-state.ts'

export type EnrolOptions = {
  /** The agent's folder. */
  folder: string
  hubUrl: string
  token: string
  /** The id it would like; the hub draws one where it is missing. */
  device: string | undefined
  profile: Profile
  certificateAuthority: string | undefined
  random: (size: number) => Uint8Array
}

const timeoutMs = 30_000
const answerBytesMax = 1_048_576

const Problem = z.object({ title: z.string(), detail: z.string().optional() })

/** Resolves when everything is durable. Can be repeated when it failed on the way: the keys are kept, and the hub knows
 *  them again.
 *  @throws IdentityError with a sentence for whoever installs the device */
export async function enrol(options: EnrolOptions): Promise<Identity> {
  const { folder, hubUrl, profile, certificateAuthority } = options
  const known = await loadIdentity(folder)
  if (known !== undefined) {
    throw new IdentityError(
      `${folder} is already enrolled as ${known.device} at ${known.hubUrl}; to start over, choose another --dir or remove it`,
    )
  }
  const answer = await ask(options)
  const root = pinRoot(Buffer.from(answer.root, 'base64'))
  await savePinnedState(identityFolder(folder), root)
  const identity: Identity = {
    formatVersion: 1,
    device: answer.device,
    secret: answer.secret,
    hubUrl,
    mqttUrl: answer.mqttUrl,
    profile,
    ...(certificateAuthority === undefined ? {} : { certificateAuthority }),
    ...(answer.mqttAuthority === undefined ? {} : { mqttAuthority: answer.mqttAuthority }),
  }
  // last: with this file the device counts as enrolled
  await saveIdentity(folder, identity)
  return identity
}

async function ask(options: EnrolOptions): Promise<EnrolResponse> {
  const { folder, hubUrl, token, device, profile, certificateAuthority, random } = options
  const { sign, sealPublicKey } = await openDeviceKeys(folder, random)
  const claim = {
    token,
    ...(device === undefined ? {} : { device }),
    profile: profile.name,
    signKey: Buffer.from(sign.publicKey).toString('base64'),
    sealKey: Buffer.from(sealPublicKey).toString('base64'),
  }
  const proof = Buffer.from(nacl.sign.detached(enrolmentClaim(claim), sign.secretKey)).toString('base64')
  const { status, body } = await post(`${hubUrl}/v1/enrol`, { ...claim, proof }, certificateAuthority)
  const answer = EnrolResponse.safeParse(body)
  if (status < 300 && answer.success) return answer.data
  const problem = Problem.safeParse(body)
  if (!problem.success) throw new IdentityError(`${hubUrl} answered ${status}, and not as a hub does: is it one?`)
  const { title, detail } = problem.data
  throw new IdentityError(`the hub refuses: ${detail ?? title} (${status})`)
}

async function post(url: string, body: object, ca: string | undefined): Promise<{ status: number; body: unknown }> {
  const dispatcher = new Agent({
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    maxResponseSize: answerBytesMax,
    connect: { timeout: timeoutMs, ...(ca === undefined ? {} : { ca }) },
  })
  try {
    const answer = await request(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      dispatcher,
    })
    return { status: answer.statusCode, body: parseJson(await answer.body.text()) }
  } catch (error) {
    throw new IdentityError(`${url} cannot be reached: ${causeOf(error)}`, { cause: error })
  } finally {
    await dispatcher.destroy()
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // no hub: said with the status
  }
}

function pinRoot(envelope: Uint8Array) {
  try {
    return pinFirstRoot(envelope)
  } catch (error) {
    if (!(error instanceof TrustError)) throw error
    throw new IdentityError(`the hub's root of trust does not hold: ${error.message}`, { cause: error })
  }
}

/** Node gives several addresses' failures as one error without words. */
function causeOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(String).join('; ')
  if (!(error instanceof Error)) return String(error)
  const fault = tlsFaultOf(error)
  if (fault === undefined) return error.message
  return `${tlsFaultWords[fault]}${fault === 'unknown-authority' ? ' (give its authority with --ca FILE)' : ''}`
}
