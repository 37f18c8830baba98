// Which hub a command talks to, as whom, and how it prints: the options that every command takes.

import type { Command } from 'commander'
import { type Client, createClient } from './client.ts'
import { createOutput, type Output } from './output.ts'

export type Connection = { client: Client; output: Output; hub: { url: string; token: string } }

export const defaultUrl = 'http://127.0.0.1:7070'

/** Adds --url, --token and --json to a command that talks to the hub. */
export const connected = (command: Command): Command =>
  command
    .option('--url <url>', `where the hub is (or ROOST_URL; ${defaultUrl})`)
    .option('--token <token>', 'a roost_… token (or ROOST_TOKEN)')
    .option('--json', 'print what the hub answers, as JSON')

/** @throws Error naming what is missing */
export function connect(options: { url?: string; token?: string; json?: boolean }): Connection {
  const token = options.token ?? process.env.ROOST_TOKEN
  if (token === undefined || token === '') {
    throw new Error('no token: set ROOST_TOKEN or give --token (the hub prints an admin token at its first start)')
  }
  const url = options.url ?? process.env.ROOST_URL ?? defaultUrl
  return {
    client: createClient(url, token),
    hub: { url, token },
    output: createOutput(options.json === true, (text) => process.stdout.write(text)),
  }
}

export type ConnectionOptions = Parameters<typeof connect>[0]
