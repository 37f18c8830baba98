// `roost keys …`: which keys there are, and exchanging them where the root key is, whose private part does not leave.

import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import {
  decodePrivateKey,
  decodePublicKey,
  encodePrivateKey,
  generateKeyPair,
  type KeyPair,
} from '@roost/shared/trust/keys.ts'
import { type Root, verifyRoot } from '@roost/shared/trust/root.ts'
import type { Command } from 'commander'
import { z } from 'zod'
import { unlessMissing } from '../storage/files.ts'
import { KeyDocument, KeysDocument, RootDocument } from '../trust/documents.ts'
import { succeedingRoot } from '../trust/succession.ts'
import type { Client } from './client.ts'
import { type ConnectionOptions, connect, connected } from './connection.ts'
import { repeated, wholeNumber } from './option-values.ts'
import { table, time } from './output.ts'

const Roots = z.object({ roots: z.array(RootDocument) })
const dayMs = 86_400_000
/** As long as the first root. */
const rootDays = 3650

type RotateOptions = ConnectionOptions & {
  rootKey: string[]
  assignment?: true
  newRelease?: string
  dropRelease?: string[]
  newRoot?: string
  days?: number
  leaveUnsigned?: true
  dryRun?: true
}

export function addKeyCommands(program: Command): void {
  const keys = program.command('keys').alias('key').description('the keys that say what may run, and their exchange')
  connected(keys.command('list'))
    .description('keys in use, next and retired, and which root the devices follow')
    .addHelpText('after', '\nExamples:\n  $ roost keys list\n  $ roost keys list --json')
    .action(async (options: ConnectionOptions) => {
      const { client, output } = connect(options)
      const known = await client.get('/v1/keys', KeysDocument)
      output.print(known, listLines(known))
    })
  connected(keys.command('show <key>'))
    .description('one key: its purpose (root, release, assignment, audit, seal) or the begin of its id')
    .addHelpText('after', '\nExamples:\n  $ roost keys show release\n  $ roost keys show 3e23b214 --json')
    .action(async (wanted: string, options: ConnectionOptions) => {
      const { client, output } = connect(options)
      const key = chosen((await client.get('/v1/keys', KeysDocument)).keys, wanted)
      output.print(key, showLines(key))
    })
  connected(keys.command('rotate'))
    .description('make and sign a new root here, where the root key is, and have the hub follow it')
    .requiredOption(
      '--root-key <file>',
      'a root key of the present root, PEM; repeated where several have to sign',
      repeated,
    )
    .option('--assignment', 'a new assignment key, which the hub makes for itself')
    .option('--new-release <file>', 'a release key beside those there are; made where there is no such file')
    .option(
      '--drop-release <id>',
      'the begin of the id of a release key that counts no more; may be repeated',
      repeated,
    )
    .option('--new-root <file>', 'a root key in the place of the first --root-key; made where there is no such file')
    .option('--days <number>', `days until the new root expires (${rootDays})`, wholeNumber)
    .option('--leave-unsigned', 'also where devices are to run what no release key has signed then: for a stolen key')
    .option('--dry-run', 'show what would be, and change nothing')
    .addHelpText('after', rotateExamples)
    .action(rotate)
}

const rotateExamples = `
Examples:
  $ roost keys rotate --root-key root.pem --assignment
  $ roost keys rotate --root-key root.pem --new-release release-2.pem
  $ roost keys rotate --root-key root.pem --drop-release 99a10aae
  $ roost keys rotate --root-key root.pem --new-root root-2.pem --dry-run`

async function rotate(options: RotateOptions): Promise<void> {
  const { assignment, newRelease, dropRelease, newRoot, days, dryRun, leaveUnsigned } = options
  if (!assignment && [newRelease, dropRelease, newRoot, days].every((change) => change === undefined)) {
    throw new Error('nothing to change: give --assignment, --new-release, --drop-release, --new-root or --days')
  }
  const { client, output } = connect(options)
  const signers = await Promise.all(options.rootKey.map(async (file) => decodePrivateKey(await readFile(file, 'utf8'))))
  const before = await presentRoot(client)
  const release = newRelease === undefined ? undefined : await openPublic(newRelease)
  const root = newRoot === undefined ? undefined : await openPair(newRoot)
  const change = {
    signers,
    dropRelease: dropRelease ?? [],
    newRoot: root?.pair,
    addRelease: release?.publicKey,
    expires: new Date(Date.now() + (days ?? rootDays) * dayMs),
  }
  // fails before anything is made, here or at the hub
  const planned = succeedingRoot(before, { ...change, assignment: assignment && throwaway().publicKey })
  if (dryRun) {
    output.print({ root: planned.root, dryRun: true }, plannedLines(before, planned.root, assignment === true))
    return
  }
  for (const { file, made } of [release, root].filter((opened) => opened !== undefined)) {
    if (made !== undefined) await writeFile(file, encodePrivateKey(made), { mode: 0o600, flag: 'wx' })
  }
  const next = assignment && (await client.send('POST', '/v1/keys/assignment/next', {}, KeyDocument))
  const { envelope } = succeedingRoot(before, {
    ...change,
    assignment: next && decodePublicKey(next.publicKey ?? ''),
  })
  const body = { envelope: Buffer.from(envelope).toString('base64'), leaveUnsigned: leaveUnsigned === true }
  const after = await client.send('POST', '/v1/keys/roots', body, KeysDocument)
  output.print(after, [`the hub follows root ${after.root.version}`, ...listLines(after)])
}

/** The newest root of the hub, each verified against the one before. */
async function presentRoot(client: Client): Promise<Root> {
  const { roots } = await client.get('/v1/keys/roots', Roots)
  let root: Root | undefined
  for (const { envelope } of roots) root = verifyRoot(Buffer.from(envelope, 'base64'), root)
  if (root === undefined) throw new Error('the hub has no root')
  return root
}

type Opened = { file: string; made: KeyPair | undefined }

async function openPair(file: string): Promise<Opened & { pair: KeyPair }> {
  const pem = await unlessMissing(readFile(file, 'utf8'), undefined)
  if (pem !== undefined) return { file, made: undefined, pair: decodePrivateKey(pem) }
  const made = throwaway()
  return { file, made, pair: made }
}

/** A release key may lie elsewhere: its public half is enough. */
async function openPublic(file: string): Promise<Opened & { publicKey: Uint8Array }> {
  const pem = await unlessMissing(readFile(file, 'utf8'), undefined)
  if (pem !== undefined) return { file, made: undefined, publicKey: decodePublicKey(pem) }
  const made = throwaway()
  return { file, made, publicKey: made.publicKey }
}

const throwaway = (): KeyPair => generateKeyPair((size) => new Uint8Array(randomBytes(size)))

function chosen(keys: readonly KeyDocument[], wanted: string): KeyDocument {
  const found = keys.find(({ purpose, state }) => purpose === wanted && state === 'in-use')
  if (found !== undefined) return found
  const fitting = wanted.length < 4 ? [] : keys.filter(({ id }) => id?.startsWith(wanted))
  const [first] = fitting
  if (first !== undefined && fitting.length === 1) return first
  throw new Error(
    `${fitting.length > 1 ? 'more than one key begins' : 'there is no key'} ${wanted}; roost keys list has all`,
  )
}

const short = (id: string | null): string => (id === null ? '' : `${id.slice(0, 12)}…`)
const when = (at: string | null): string => (at === null ? '' : time(Date.parse(at)))

function listLines({ root, keys, devices }: KeysDocument): string[] {
  const rows = keys.map((key) => [
    key.purpose,
    short(key.id),
    key.state,
    key.here ? 'at the hub' : 'elsewhere',
    when(key.since),
    when(key.until),
    key.signed === null ? '' : `${key.signed.count} ${key.signed.what}`,
  ])
  const total = devices.reduce((sum, row) => sum + row.devices, 0)
  const following = devices.find(({ rootVersion }) => rootVersion === root.version)?.devices ?? 0
  return [
    `root ${root.version}, ${root.expired ? 'EXPIRED' : 'good until'} ${root.expires.slice(0, 10)}, followed by ${following} of ${total} devices`,
    ...table(['key', 'id', 'state', 'private part', 'since', 'until', 'signed'], rows),
  ]
}

function showLines({ purpose, id, algorithm, state, here, since, until, expires, publicKey }: KeyDocument): string[] {
  const facts: [string, string][] = [
    ['purpose', purpose],
    ['id', id ?? 'none: it is a secret'],
    ['algorithm', algorithm],
    ['state', state],
    ['private part', here ? 'at the hub' : 'elsewhere'],
    ['since', when(since)],
    ['until', when(until)],
    ['root expires', when(expires)],
  ]
  const lines = facts.filter(([, value]) => value !== '').map(([name, value]) => `${name.padEnd(14)}${value}`)
  return publicKey === null ? lines : [...lines, publicKey.trimEnd()]
}

function plannedLines(before: Root, after: Root, isAssignmentMade: boolean): string[] {
  const words = (['root', 'release', 'assignment'] as const).map((role) => {
    const [was, is] = [before.roles[role].keyids, after.roles[role].keyids]
    if (role === 'assignment' && isAssignmentMade)
      return [role, 'a new one, which the hub makes', was.map(short).join(' ')]
    return [
      role,
      is.map(short).join(' '),
      was
        .filter((id) => !is.includes(id))
        .map(short)
        .join(' '),
    ]
  })
  return [
    `root ${after.version} would follow, good until ${after.expires.slice(0, 10)}; nothing was changed`,
    ...table(['role', 'keys', 'no longer'], words),
  ]
}
