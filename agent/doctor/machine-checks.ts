// What can be told of a device on its own: its folder, its identity, its disk, its profile, and whether the agent runs.

import type { Stats } from 'node:fs'
import { access, constants, readdir, stat, statfs } from 'node:fs/promises'
import { totalmem } from 'node:os'
import { join } from 'node:path'
import { type Finding, fault, ok, warning } from '@roost/shared/diagnosis/finding.ts'
import type { Profile } from '@roost/shared/profiles/profile.ts'
import type { Status } from '../control/status.ts'
import { isMissing } from '../durable-file.ts'
import { type Identity, IdentityError, identityFolder, loadIdentity, readSealSecret } from '../identity/device.ts'

const mebibyte = 1_048_576
/** Less than this, and neither a bundle nor a report is written. */
const freeBytesMin = 64 * mebibyte
/** Of the machine, for what is no model. */
const memoryShareMax = 0.75

/** Who the device is, where that can be read; what there is to say of its folder.
 *  @param folder the agent's `--dir` */
export async function checkFolder(folder: string): Promise<{ findings: Finding[]; identity: Identity | undefined }> {
  const there = await statOf(folder)
  if (there === undefined || !there.isDirectory()) {
    const next = 'roost-agent enrol --hub URL --token TOKEN, or name the folder with --dir'
    return {
      findings: [fault('enrolment', `there is no folder ${folder}: no agent has been enrolled there`, next)],
      identity: undefined,
    }
  }
  try {
    await access(folder, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch {
    const next = `run it as the agent's user, or give the folder to that user: chown -R USER ${folder}`
    return {
      findings: [fault('permissions', `${folder} cannot be read and written by this user`, next)],
      identity: undefined,
    }
  }
  const { finding, identity } = await enrolment(folder)
  return { findings: [finding, await privacy(folder)], identity }
}

async function enrolment(folder: string): Promise<{ finding: Finding; identity: Identity | undefined }> {
  try {
    const identity = await loadIdentity(folder)
    if (identity === undefined) {
      const next = 'an operator makes a token (roost claim create); then roost-agent enrol --hub URL --token TOKEN'
      return { finding: fault('enrolment', `no device is enrolled in ${folder}`, next), identity }
    }
    if ((await readSealSecret(folder)) === undefined) {
      const says = `${identity.device} is enrolled, but its key for sealed bundles is missing or damaged: it can open none`
      return {
        finding: warning('enrolment', says, 'restore identity/seal.pem, or enrol it anew where bundles are sealed'),
        identity,
      }
    }
    return { finding: ok('enrolment', `enrolled as ${identity.device} at ${identity.hubUrl}`), identity }
  } catch (error) {
    if (!(error instanceof IdentityError)) throw error
    return {
      finding: fault('enrolment', error.message, 'roost-agent enrol --hub URL --token TOKEN'),
      identity: undefined,
    }
  }
}

/** Keys and secret are nobody else's. */
async function privacy(folder: string): Promise<Finding> {
  const keys = identityFolder(folder)
  const names = await readdir(keys).catch(() => [])
  const paths = [keys, ...names.map((name) => join(keys, name))]
  const open: string[] = []
  for (const path of paths) {
    const found = await statOf(path)
    if (found !== undefined && (found.mode & 0o077) !== 0) open.push(path)
  }
  if (open.length === 0) return ok('permissions', 'keys and secret can be read by this user only')
  return warning(
    'permissions',
    `others on this machine may read ${open.slice(0, 5).join(', ')}`,
    `chmod -R go= ${keys}; revoke the device (roost device revoke) and enrol it anew if somebody has read them`,
  )
}

export async function checkDisk(folder: string, profile: Profile): Promise<Finding> {
  const { bavail, bsize } = await statfs(folder)
  const freeBytes = Number(bavail) * Number(bsize)
  const free = `${inMebibytes(freeBytes)} MiB are free in ${folder}`
  if (freeBytes < freeBytesMin) {
    return fault('disk', `${free}: bundles and reports cannot be kept`, 'free some, or move the folder (--dir)')
  }
  const wanted = profile.blobBytes + profile.outboxBytes
  if (freeBytes >= wanted) return ok('disk', free)
  return warning(
    'disk',
    `${free}, and the profile ${profile.name} lets bundles and reports take up to ${inMebibytes(wanted)} MiB`,
    'free some, or lower blobBytes and outboxBytes in identity/device.json',
  )
}

/** @param machineBytes memory of this machine */
export function checkProfile(profile: Profile, machineBytes = totalmem()): Finding {
  const runtimes = profile.switch === 'warm' ? 2 : 1
  const wanted = runtimes * profile.memoryBytes
  const says = `${profile.name}: models may use ${inMebibytes(profile.memoryBytes)} MiB${runtimes === 2 ? ', twice while a version is exchanged' : ''}`
  if (wanted <= memoryShareMax * machineBytes) return ok('profile', says)
  const more = `${says}, and this machine has ${inMebibytes(machineBytes)} MiB in all`
  return warning(
    'profile',
    more,
    'lower memoryBytes in identity/device.json, or enrol with a smaller profile (firmware-profiles/)',
  )
}

/** @param isAlive whether the process that wrote the status still runs */
export function checkAgent(status: Status | undefined, isAlive: boolean, version: string): Finding {
  if (status === undefined || !status.running || !isAlive) {
    return warning('agent', 'no agent runs in this folder', 'systemctl start roost-agent, or roost-agent run')
  }
  if (status.agent !== version) {
    const says = `the agent that runs is ${status.agent}, and ${version} is installed`
    return warning('agent', says, 'restart it: systemctl restart roost-agent')
  }
  if (status.outbox.failing !== undefined) {
    return fault(
      'agent',
      `reports cannot be written: ${status.outbox.failing}`,
      'look at the disk, and at the log of the agent',
    )
  }
  if (status.stale) {
    const says = `the agent runs, and has had no fresh answer of the hub for ${Math.round(status.withoutAnswerMs / 60_000)} min`
    return warning('agent', says, 'look at hub, broker and clock below')
  }
  return ok('agent', `agent ${status.agent} runs, process ${status.pid}`)
}

async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path)
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

const inMebibytes = (bytes: number): number => Math.floor(bytes / mebibyte)
