// A rotation, as far as it is the hub's: it makes the next assignment key where that will lie, and follows a new root
// that was signed elsewhere. What it checks is what every device checks, and that it can go on itself.

import { readFile, rm } from 'node:fs/promises'
import { TrustError } from '@roost/shared/trust/error.ts'
import { decodePrivateKey, encodePrivateKey, generateKeyPair } from '@roost/shared/trust/keys.ts'
import { isExpired, type Root, roles, verifyRoot } from '@roost/shared/trust/root.ts'
import { z } from 'zod'
import { auditStatements, writeAudited } from '../governance/audit.ts'
import type { Hub } from '../hub.ts'
import { nextAssignmentFile, readKey, rootFile, settleKeyFiles } from '../keys.ts'
import { Problem } from '../problem.ts'
import { isSignedFor } from '../registry/signature.ts'
import { BytesColumn, type Reader } from '../storage/database.ts'
import { unlessMissing, writeDurably } from '../storage/files.ts'
import type { KeyDocument } from './documents.ts'
import { keysFolder, nextAssignment } from './look.ts'

type By = { actor: string; requestId: string | undefined }

/** Versions that are told of those that would be left without a signature. */
const toldMax = 20
/** A root that ends sooner leaves devices no time to follow the one after it. */
const lifetimeMsMin = 86_400_000

/** One at a time: roots follow each other. */
let turn: Promise<unknown> = Promise.resolve()
const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
  const done = turn.then(work)
  turn = done.catch(() => undefined)
  return done
}

/** The next assignment key, made where there is none yet. */
export const makeNextAssignment = (hub: Hub, by: By): Promise<KeyDocument> =>
  inTurn(async () => {
    const known = await nextAssignment(hub)
    if (known !== undefined) return known
    const pair = generateKeyPair(hub.random)
    const file = nextAssignmentFile(keysFolder(hub))
    const change = { ...by, action: 'key.prepare', subject: `key:${pair.keyid}`, after: { purpose: 'assignment' } }
    await writeDurably(file, encodePrivateKey(pair))
    try {
      await writeAudited(hub.database, hub.clock(), [change], [])
    } catch (error) {
      await rm(file)
      throw error
    }
    const made = await nextAssignment(hub)
    if (made === undefined) throw new Error(`${file} is gone`)
    return made
  })

/** Follows the root in `envelope`: it is on disk, on record and in force when this resolves.
 *  @throws Problem root-refused (with the code of the TrustError), root-expired, no-assignment-key, leaves-unsigned */
export const acceptRoot = (hub: Hub, envelope: Uint8Array, leaveUnsigned: boolean, by: By): Promise<Root> =>
  inTurn(async () => {
    const { keys, database, clock, log } = hub
    const folder = keysFolder(hub)
    const root = follow(envelope, keys.root)
    if (isExpired(root, clock() + lifetimeMsMin)) {
      throw new Problem(
        422,
        'root-expired',
        'The root is not followed',
        `it expires ${root.expires}: a day is the least`,
      )
    }
    await assertCanAssign(hub, root)
    const unsigned = await leftUnsigned(database, root)
    if (unsigned.length > 0 && !leaveUnsigned) throw leaves(unsigned)

    await writeDurably(rootFile(folder, root.version), envelope, 0o644)
    // from here on it holds, also after a kill: a start reads the files, and records what is not on record yet
    const roots = [...keys.roots, envelope]
    await settleKeyFiles(folder, root, roots, log)
    const assignment = await readKey(folder, 'assignment', root)
    const release = await readKey(folder, 'release', root)
    if (assignment === undefined) throw new Error('the assignment key is gone')
    await recordRoot(hub, root, by)
    Object.assign(keys, { roots, root, assignment, release })
    log.info({ root: root.version, expires: root.expires }, 'a new root is in force')
    return root
  })

/** Records a root where the log has none of it; at a start, one that was put into the folder by hand, or before a kill. */
export async function recordRoot(hub: Pick<Hub, 'database' | 'clock'>, root: Root, by: By): Promise<void> {
  // the first is made by the first start, with everything else
  if (root.version === 1) return
  const subject = `root:${root.version}`
  await hub.database.exclusively(async (tx) => {
    const known = await tx.first(z.object({ seq: z.number() }), 'SELECT seq FROM audit_log WHERE subject = ? LIMIT 1', [
      subject,
    ])
    if (known !== undefined) return
    const named = Object.fromEntries(roles.map((role) => [role, root.roles[role]]))
    await tx.write(
      await auditStatements(tx, hub.clock(), [
        { ...by, action: 'root.follow', subject, after: { expires: root.expires, ...named } },
      ]),
    )
  })
}

function follow(envelope: Uint8Array, before: Root): Root {
  try {
    return verifyRoot(envelope, before)
  } catch (error) {
    if (!(error instanceof TrustError)) throw error
    throw new Problem(422, 'root-refused', 'The root is not followed', error.message, {
      members: { reason: error.code },
      cause: error,
    })
  }
}

/** The hub has to sign what it wants of devices with a key that they will trust. */
async function assertCanAssign(hub: Hub, root: Root): Promise<void> {
  const { keyids, threshold } = root.roles.assignment
  const pem = await unlessMissing(readFile(nextAssignmentFile(keysFolder(hub)), 'utf8'), undefined)
  const held = [hub.keys.assignment.keyid, ...(pem === undefined ? [] : [decodePrivateKey(pem).keyid])]
  if (threshold === 1 && held.some((id) => keyids.includes(id))) return
  const detail =
    threshold === 1
      ? 'it names no assignment key that this hub has: name the one in use, or that of POST /v1/keys/assignment/next'
      : 'the hub signs assignments with one key, and the root asks for more'
  throw new Problem(422, 'no-assignment-key', 'The root is not followed', detail)
}

const Wanted = z.object({ model: z.string(), version: z.number(), envelope: BytesColumn })

/** Versions that devices are to run and that no threshold of the root's release keys has signed. */
async function leftUnsigned(reader: Reader, root: Root): Promise<string[]> {
  const rows = await reader.all(
    Wanted,
    `SELECT model, version, envelope FROM manifests
     WHERE envelope IS NOT NULL AND digest IN
       (SELECT manifest FROM desired JOIN devices ON devices.id = desired.device WHERE devices.revoked_at IS NULL)
     ORDER BY model, version`,
  )
  const names = rows.filter(({ envelope }) => !isSignedFor(root, envelope)).map((row) => `${row.model} v${row.version}`)
  return [...new Set(names)]
}

function leaves(unsigned: readonly string[]): Problem {
  const told = unsigned.slice(0, toldMax).join(', ')
  const more = unsigned.length > toldMax ? `, and ${unsigned.length - toldMax} more` : ''
  return new Problem(
    409,
    'leaves-unsigned',
    'Versions in use would lose their signature',
    `devices are to run ${told}${more}, which no release key of the new root has signed: keep the old key named until they are signed anew, or say leaveUnsigned where that key was stolen`,
  )
}
