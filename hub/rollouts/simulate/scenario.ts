// What a simulated fleet is like and what the new version does to it. Rates are per hour, shares 0 … 1.

import { z } from 'zod'

const Share = z.number().min(0).max(1)

export const simulatedDevicesMax = 10_000

/** How the devices are, before and apart from the new version. */
export const FleetTraits = z.strictObject({
  devices: z.number().int().min(1).max(simulatedDevicesMax).default(200),
  /** Strata are profiles x sites. */
  profiles: z.number().int().min(1).max(16).default(2),
  sites: z.number().int().min(1).max(64).default(4),
  /** On average; devices differ by `spread`. */
  inferencesPerHour: z.number().positive().max(1e7).default(600),
  errorRate: Share.default(0.02),
  latencyUs: z.number().positive().default(2_000),
  /** Standard deviation of a device's error rate and load, as a share of their mean (gamma). */
  spread: z.number().min(0).max(3).default(0.5),
  /** The error rate goes up and down by this share in a day, at every site at its own hour. */
  dayCycle: Share.default(0.5),
  /** Each device's error rate wanders by itself: standard deviation after a day. */
  wandering: Share.default(0.003),
  /** Share of the time a device is away, and how long it stays away on average. */
  offline: z.number().min(0).max(0.95).default(0.2),
  offlineHours: z.number().positive().default(6),
  /** What hits all devices, whichever version they run, so many hours after the start: added to the error rate. */
  shift: z.strictObject({ afterHours: z.number().nonnegative(), errorRate: z.number() }).optional(),
  /** Devices whose reports are false: half of them say that everything fails, half count what cannot be. */
  lying: Share.default(0),
  /** Chance in an hour that a device goes silent for good, on either version. */
  dying: Share.default(0),
})
export type FleetTraits = z.infer<typeof FleetTraits>

/** What the new version changes. All nothing: as good as the old one. */
export const Effect = z.strictObject({
  /** Added to the error rate of every device; negative: better. */
  errorRate: z.number().min(-1).max(1).default(0),
  latencyRatio: z.number().positive().default(1),
  /** Share of devices on which it does not install. */
  installFailures: Share.default(0),
  /** Chance in an hour that it silences its device. */
  silencing: Share.default(0),
  /** Share of inferences on which it decides otherwise. */
  disagreement: Share.default(0.005),
})
export type Effect = z.infer<typeof Effect>

export const hourMs = 3_600_000
