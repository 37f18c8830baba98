// The states of one assignment on one device, as reported by the device, and which of them end it.

import { z } from 'zod'

/** In order of progress; a device's state moves only forward within an attempt. */
export const progressStates = [
  'planned',
  'offered',
  'accepted',
  'deferred',
  'downloading',
  'staged',
  'shadowing',
  'activating',
  'probation',
  'succeeded',
  'already_current',
  'failed',
  'rolled_back',
  'rejected',
  'timed_out',
  'unreachable',
  'cancelled',
  'superseded',
] as const

export const ProgressState = z.enum(progressStates)
export type ProgressState = z.infer<typeof ProgressState>

const terminal: ReadonlySet<ProgressState> = new Set(progressStates.slice(progressStates.indexOf('succeeded')))

export const isTerminal = (state: ProgressState): boolean => terminal.has(state)

/** Why a step failed; the words an operator reads and a gate counts. */
export const FailureReason = z.enum([
  'signature', // an envelope or its content was not acceptable
  'download', // the blob could not be had, or did not hash to its digest
  'sealed', // the bundle is sealed, and the key is missing, is for another device, or does not open it
  'no_space', // the disk is full
  'load', // onnxruntime refused the model
  'golden_mismatch', // golden vectors gave other outputs
  'latency', // slower than the limit
  'memory', // went over the memory limit
  'crash', // the runtime process died
  'hang', // the runtime process stopped answering its watchdog
  'errors', // too many failed inferences in probation
  'boot_loop', // the agent itself restarted again and again before probation ended
  'incompatible', // does not fit this device's profile
  'unable_to_roll_back', // the version to go back to is not there or failed too: an alarm of its own
])
export type FailureReason = z.infer<typeof FailureReason>
