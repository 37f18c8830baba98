// What every slice of the hub works with: plain data and open resources, made once in main.ts and handed down.

import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import type { Config } from './config.ts'
import type { HubKeys } from './keys.ts'
import type { BlobStore } from './storage/blobs.ts'
import type { Database } from './storage/database.ts'

/** Milliseconds since 1970. */
export type Clock = () => number
/** That many random bytes. */
export type Random = (length: number) => Uint8Array

export type Hub = {
  config: Config
  database: Database
  blobs: BlobStore
  keys: HubKeys
  log: Logger
  clock: Clock
  random: Random
  metrics: Registry
  /** Certificate and key, PEM, for every listener; undefined for plain sockets. */
  tls: { cert: Buffer; key: Buffer } | undefined
  /** PEM of who signed the certificate of a broker of one's own; undefined: authorities that are publicly known. */
  brokerAuthority: string | undefined
  /** Aborted when the hub begins to stop: streams that never end by themselves end then. */
  stopping: AbortSignal
  /** Whether the secret is that device's and the device is not revoked. */
  authenticateDevice: (device: string, secret: string) => Promise<boolean>
  /** Whether the blob belongs to a bundle the device is assigned. */
  mayReadBlob: (device: string, sha256: string) => Promise<boolean>
}
