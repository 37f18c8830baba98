// What each device profile is expected to make of a variant: whether it can run it, with the reasons, and how much memory
// and time it will take there. Estimates advise; only what certainly cannot work is called so.

import type { Manifest } from '@roost/shared/bundle/manifest.ts'
import type { Profile } from '@roost/shared/profiles/profile.ts'
import { z } from 'zod'
import type { Inspection } from './inspection.ts'

export const verdicts = ['fits', 'unlikely', 'cannot-run', 'excluded'] as const

export const Compatibility = z.object({
  /** Median of one inference at the hub; null where it was not run. */
  hubLatencyMs: z.number().nullable(),
  profiles: z.array(
    z.object({
      profile: z.string(),
      /** `cannot-run`: it certainly will not; `unlikely`: an estimate says so; `excluded`: the variant names others. */
      verdict: z.enum(verdicts),
      reasons: z.array(z.string()),
      /** Estimates; null where the file or a measurement does not give one. */
      memoryBytes: z.number().nullable(),
      latencyMs: z.number().nullable(),
    }),
  ),
})
export type Compatibility = z.infer<typeof Compatibility>

export const unknownCompatibility: Compatibility = { hubLatencyMs: null, profiles: [] }

/** The newest of each that agents' onnxruntime (onnxruntime-node 1.30) loads; other domains have no versions to speak
 *  of. A test holds it against the library that is installed. */
export const agentRuntime: Readonly<{ irVersion: number; opsets: Readonly<Record<string, number>> }> = {
  irVersion: 13,
  opsets: { 'ai.onnx': 26, 'ai.onnx.ml': 5, 'ai.onnx.preview.training': 1 },
}

export type Measured = {
  inspection: Inspection
  limits: Manifest['limits']
  /** Profiles the variant is for; empty: any. */
  meantFor: readonly string[]
  modelBytes: number
  /** All files of the bundle. */
  bundleBytes: number
  /** Of single inferences at the hub; empty where it was not run. */
  tookMs: readonly number[]
}

/** The verdict of every profile. */
export function judgeProfiles(measured: Measured, profiles: readonly Profile[]): Compatibility {
  const hubLatencyMs = median(measured.tookMs)
  return {
    hubLatencyMs,
    profiles: profiles.map((profile) => ({ profile: profile.name, ...judge(measured, hubLatencyMs, profile) })),
  }
}

type Judged = Omit<Compatibility['profiles'][number], 'profile'>

function judge(measured: Measured, hubLatencyMs: number | null, profile: Profile): Judged {
  const { limits, meantFor } = measured
  const memoryBytes = estimateMemory(measured)
  const latencyMs = hubLatencyMs === null || profile.speed === undefined ? null : hubLatencyMs / profile.speed
  const estimates = { memoryBytes, latencyMs }
  if (meantFor.length > 0 && !meantFor.includes(profile.name)) {
    return { verdict: 'excluded', reasons: [`this variant is for ${meantFor.join(', ')}`], ...estimates }
  }
  const impossible = whyImpossible(measured, profile)
  if (impossible.length > 0) return { verdict: 'cannot-run', reasons: impossible, ...estimates }
  const doubtful: string[] = []
  const memoryMax = Math.min(profile.memoryBytes, limits.memoryBytes)
  if (memoryBytes !== null && memoryBytes > memoryMax) {
    doubtful.push(`it will take about ${mebibytes(memoryBytes)} of memory, and may take ${mebibytes(memoryMax)}`)
  }
  if (latencyMs !== null && latencyMs > limits.inferenceMs) {
    // `speed` is a guess: it makes a version unlikely, and never more than that
    doubtful.push(
      `by a guess at the device's speed an inference would take about ${Math.round(latencyMs)} ms, and may take ${limits.inferenceMs} ms`,
    )
  }
  if (doubtful.length > 0) return { verdict: 'unlikely', reasons: doubtful, ...estimates }
  return { verdict: 'fits', reasons: notes(measured, profile), ...estimates }
}

/** What no device of this profile will do. */
function whyImpossible({ inspection, limits, bundleBytes }: Measured, profile: Profile): string[] {
  const reasons: string[] = []
  if (inspection.irVersion > agentRuntime.irVersion) {
    reasons.push(`its IR version is ${inspection.irVersion}, agents read up to ${agentRuntime.irVersion}`)
  }
  for (const { domain, version } of inspection.opsets) {
    const newest = agentRuntime.opsets[domain]
    if (newest !== undefined && version > newest) {
      reasons.push(`it uses opset ${version} of ${domain}, agents have up to ${newest}`)
    }
  }
  if (limits.memoryBytes > profile.memoryBytes) {
    const grants = mebibytes(profile.memoryBytes)
    reasons.push(`its limits let it take ${mebibytes(limits.memoryBytes)} of memory, the device grants ${grants}`)
  }
  if (inspection.tensorBytes > profile.memoryBytes) {
    reasons.push(`its weights alone are ${mebibytes(inspection.tensorBytes)} of memory`)
  }
  if (bundleBytes > profile.blobBytes) {
    reasons.push(`its files are ${mebibytes(bundleBytes)}, the device keeps ${mebibytes(profile.blobBytes)}`)
  }
  return reasons
}

/** What a fitting verdict does not know. */
function notes({ inspection, tookMs }: Measured, { speed }: Profile): string[] {
  const unknown = inspection.activations?.unknown ?? 0
  return [
    ...(unknown > 0 ? [`memory is at least that: the file states no shape for ${unknown} values`] : []),
    ...(tookMs.length === 0 ? ['latency is unknown: neither sample nor golden vectors were sent'] : []),
    ...(tookMs.length > 0 && speed === undefined ? ['latency is unknown: the profile names no speed'] : []),
  ]
}

/** file + weights + max(weights, activations): an agent holds the file while onnxruntime parses it (weights), then copies
 *  what it parsed into the session (weights again) and drops the parsed ones; activations come when it runs.
 *  Measured with onnxruntime-node 1.30: 309 MiB at the peak for 95 MiB of weights, 23 MiB of them the library's own. */
export function estimateMemory({ inspection, modelBytes }: Pick<Measured, 'inspection' | 'modelBytes'>): number | null {
  if (inspection.activations === undefined) return null
  const { tensorBytes, activations } = inspection
  return Math.min(modelBytes + tensorBytes + Math.max(tensorBytes, activations.bytes), Number.MAX_SAFE_INTEGER)
}

function median(values: readonly number[]): number | null {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? null
}

const mebibytes = (bytes: number): string => `${(bytes / 1_048_576).toFixed(bytes < 10_485_760 ? 1 : 0)} MiB`
