// A dry run in lines.

import type { Finding } from '../rollouts/plan/check.ts'
import type { Preview } from '../rollouts/plan/preview.ts'
import { spellDuration } from '../rollouts/plan/spelled-duration.ts'
import { counted, inBytes } from '../wording.ts'
import { table } from './output.ts'

/** @param devicesMax so many devices are listed */
export function previewLines(preview: Preview, devicesMax: number): string[] {
  const { id, model, version, group, query, deployment, members, devices, skipped, skippedCount, supersedes } = preview
  const rows = members
    .slice(0, devicesMax)
    .map((device) => [device.device, device.stage, device.servesFrom, device.variant, device.why])
  const more = devices - rows.length
  return [
    `${model} ${version} to ${group} (${query}), deployment ${deployment}: ${counted(devices, 'device')}, ${skippedCount} left out`,
    `takes ${minutes(preview.durationMs)} at least, if an installation takes ${minutes(preview.assumedInstallMs)}; moves ${bytes(preview.bytes)}`,
    ...preview.stages.flatMap(stageLines),
    ...warningLines(preview.warnings),
    ...(supersedes.length === 0 ? [] : [`ends ${supersedes.join(', ')}, which holds some of the devices`]),
    ...skipped.slice(0, devicesMax).map(({ device, why }) => `left out: ${device}, because ${why}`),
    ...table(['device', 'stage', 'serves from', 'variant', 'why'], rows),
    ...(more > 0 ? [`and ${more} more: --devices ${devices}, or --json`] : []),
    `nothing is stored; roost rollout start … --as ${id} starts it with this draw`,
  ]
}

export const warningLines = (warnings: readonly Finding[]): string[] =>
  warnings.map(({ field, detail }) => `warning${field === undefined ? '' : ` (${field})`}: ${detail}`)

function stageLines(stage: Preview['stages'][number]): string[] {
  const strata = Object.entries(stage.strata).map(([stratum, count]) => `${count} ${stratum}`)
  const shown =
    strata.length > strataMax ? [...strata.slice(0, strataMax), `${strata.length - strataMax} more`] : strata
  const waits = [
    ...(stage.hold ? ['a person to release it'] : []),
    ...(stage.approvals > 0 ? [counted(stage.approvals, 'approval')] : []),
  ]
  return [
    `  ${stage.name} (${stage.reach}, ${stage.mode}): ${counted(stage.devices, 'device')} (${shown.join(', ')})`,
    ...(waits.length === 0 ? [] : [`    waits for ${waits.join(' and ')}`]),
    `    begins after ${minutes(stage.beginsMs)}, installed after ${minutes(stage.installedMs)}, passes after ${minutes(stage.passesMs)} at the earliest; pauses when undecided for ${spellDuration(stage.timeLimitMs)}`,
    `    moves ${bytes(stage.bytes)}`,
    ...stage.gates.map(({ label, sentence }) => `    ${label}: ${sentence}`),
  ]
}

const strataMax = 8

const minuteMs = 60_000

/** `26 h 10 min`: a plan is no timetable. */
function minutes(ms: number): string {
  const whole = Math.ceil(ms / minuteMs)
  if (ms < minuteMs) return `${Math.ceil(ms / 1_000)} s`
  const [hours, rest] = [Math.floor(whole / 60), whole % 60]
  return [...(hours > 0 ? [`${hours} h`] : []), ...(rest > 0 ? [`${rest} min`] : [])].join(' ')
}

function bytes({ perDevice, apart, broadcast }: Preview['bytes']): string {
  const each =
    perDevice.least === perDevice.most
      ? inBytes(perDevice.most)
      : `${inBytes(perDevice.least)} to ${inBytes(perDevice.most)}`
  return `${each} a device: ${inBytes(broadcast)} broadcast, or ${inBytes(apart)} if each fetches it for itself`
}
