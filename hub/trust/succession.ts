// The root that follows another: what of it changes, laid out and signed where the root key is. Pure.

import { decodeBase64 } from '@roost/shared/trust/envelope.ts'
import type { KeyPair } from '@roost/shared/trust/keys.ts'
import {
  makeRoot,
  type RoleName,
  type Root,
  type RootSpec,
  roles,
  signRoot,
  verifyRoot,
} from '@roost/shared/trust/root.ts'

export type RootChange = {
  /** Root keys that sign: a threshold of the present root's. */
  signers: readonly KeyPair[]
  /** In the place of the first signer. */
  newRoot?: KeyPair | undefined
  /** 32 raw bytes; in the place of all assignment keys. */
  assignment?: Uint8Array | undefined
  /** 32 raw bytes; beside the release keys there are. */
  addRelease?: Uint8Array | undefined
  /** Begins of ids, each of one release key. */
  dropRelease?: readonly string[]
  expires: Date
}

export class SuccessionError extends Error {
  override readonly name = 'SuccessionError'
}

/** The envelope of the root that follows `root`, as every device will verify it.
 *  @throws SuccessionError in a sentence; TrustError for keys that cannot be trusted */
export function succeedingRoot(root: Root, change: RootChange): { root: Root; envelope: Uint8Array } {
  const { signers, newRoot } = change
  assertMaySign(root, signers)
  const kept = (role: RoleName) => root.roles[role].keyids.map((id) => decodeBase64(root.keys[id]?.public ?? ''))
  const [first] = signers
  const rootIds = root.roles.root.keyids
  const rootKeys =
    newRoot === undefined ? kept('root') : kept('root').with(rootIds.indexOf(first?.keyid ?? ''), newRoot.publicKey)
  const release = [...keptReleases(root, change.dropRelease ?? []), ...(change.addRelease ? [change.addRelease] : [])]
  const publicKeys: Record<RoleName, readonly Uint8Array[]> = {
    root: rootKeys,
    release,
    assignment: change.assignment === undefined ? kept('assignment') : [change.assignment],
  }
  for (const role of roles) {
    const { threshold } = root.roles[role]
    if (publicKeys[role].length >= threshold) continue
    throw new SuccessionError(`${role} needs ${threshold} keys, and ${publicKeys[role].length} would be left`)
  }
  const role = (name: RoleName) => ({ publicKeys: publicKeys[name], threshold: root.roles[name].threshold })
  const spec: RootSpec = {
    version: root.version + 1,
    expires: change.expires,
    roles: { root: role('root'), release: role('release'), assignment: role('assignment') },
  }
  const envelope = signRoot(makeRoot(spec), newRoot === undefined ? signers : [...signers, newRoot])
  return { root: verifyRoot(envelope, root), envelope }
}

function assertMaySign(root: Root, signers: readonly KeyPair[]): void {
  const { keyids, threshold } = root.roles.root
  const stranger = signers.find(({ keyid }) => !keyids.includes(keyid))
  if (stranger !== undefined) {
    throw new SuccessionError(
      `the key ${stranger.keyid.slice(0, 12)}… is no root key of root ${root.version}: ${keyids.map((id) => `${id.slice(0, 12)}…`).join(', ')} is`,
    )
  }
  const count = new Set(signers.map(({ keyid }) => keyid)).size
  if (count < threshold)
    throw new SuccessionError(`${threshold} root keys have to sign, and ${count} are here: --root-key`)
}

function keptReleases(root: Root, dropped: readonly string[]): Uint8Array[] {
  const { keyids } = root.roles.release
  const ids = dropped.map((begin) => {
    const fitting = keyids.filter((id) => id.startsWith(begin))
    const [id] = fitting
    if (id !== undefined && fitting.length === 1) return id
    throw new SuccessionError(
      `${begin} begins ${fitting.length === 0 ? 'no' : 'more than one'} release key of root ${root.version}`,
    )
  })
  return keyids.filter((id) => !ids.includes(id)).map((id) => decodeBase64(root.keys[id]?.public ?? ''))
}
