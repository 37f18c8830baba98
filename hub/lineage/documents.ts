// The lineage as the API shows it.

import { z } from '@hono/zod-openapi'
import { Kind } from './nodes.ts'

const Devices = z.object({
  /** Devices on which it serves, as far as they have said. */
  running: z.number().int(),
  /** Those, and those on which it has served. */
  ever: z.number().int(),
})

export const LineageNode = z
  .object({
    /** `<kind>:<name>`: what edges refer to. */
    node: z.string(),
    kind: Kind,
    name: z.string(),
    /** false: somebody named it, but this hub does not hold it. */
    known: z.boolean(),
    /** When it was made, enrolled, asked for. */
    at: z.iso.datetime().nullable(),
    by: z.string().nullable(),
    /** What more is known, by kind: docs/lineage.md. */
    facts: z.record(z.string(), z.unknown()),
    /** Of versions and rollouts, unless one looks upstream only. GET /v1/lineage/devices lists them. */
    devices: Devices.optional(),
  })
  .openapi('LineageNode')
export type LineageNode = z.infer<typeof LineageNode>

export const LineageEdge = z
  .object({
    /** What comes before `to`: data, the run, the version, … */
    from: z.string(),
    to: z.string(),
    relation: z.string(),
    detail: z.record(z.string(), z.unknown()).optional(),
  })
  .openapi('LineageEdge')

export const directions = ['upstream', 'downstream', 'both'] as const

export const Lineage = z
  .object({
    root: z.string(),
    direction: z.enum(directions),
    nodes: z.array(LineageNode),
    edges: z.array(LineageEdge),
    /** Nodes beyond which there may be more: the depth was reached, there would have been too many nodes, or too many
     *  neighbours at once. Empty: this is all there is. */
    cut: z.array(z.object({ node: z.string(), reason: z.enum(['depth', 'nodes', 'neighbours']) })),
  })
  .openapi('Lineage')
export type Lineage = z.infer<typeof Lineage>

export const LineageDevice = z
  .object({
    device: z.string(),
    deployment: z.string(),
    version: z.string().openapi({ example: 'vibration/7' }),
    variant: z.string(),
    manifest: z.string(),
    state: z.string(),
    running: z.boolean(),
    /** Hub clock: when it was last said to begin to serve; null where it was never said. */
    since: z.iso.datetime().nullable(),
  })
  .openapi('LineageDevice')

export const DevicesOf = z.object({
  node: z.string(),
  /** The versions that come of the node: each device below serves one of them. */
  versions: z.array(z.string()),
  /** More versions come of it than were followed: the list of devices is not whole. */
  versionsCut: z.boolean(),
  /** Devices of all pages. */
  counts: Devices,
  devices: z.array(LineageDevice),
  next: z.string().nullable(),
})

export const ServiceDocument = z
  .object({
    deployment: z.string(),
    manifest: z.string(),
    /** null where the manifest is not this hub's. */
    version: z.string().nullable(),
    variant: z.string().nullable(),
    /** Device clock; of `source: record` hub clock, when it was last said to begin to serve. */
    from: z.iso.datetime(),
    /** null: it serves still, or nothing is known of its end. */
    to: z.iso.datetime().nullable(),
    ended: z.enum(['replaced', 'failed', 'rolled_back']).nullable(),
    /** `record`: its events have expired; what is left is when it last began. */
    source: z.enum(['events', 'record']),
  })
  .openapi('Service')

export const History = z.object({
  device: z.string(),
  /** Oldest first. */
  services: z.array(ServiceDocument),
  /** Older events were left out. */
  cut: z.boolean(),
})
