// Which hub a command talks to, as whom, and how it prints: the options that every command takes.

import type { Command } from 'commander'
import { type Client, createClient } from './client.ts'
import { chooseHub, defaultUrl } from './contexts/choose.ts'
import { contextsPath, readContexts } from './contexts/file.ts'
import { createOutput, type Output } from './output.ts'

export type Connection = { client: Client; output: Output; hub: { url: string; token: string } }

/** Adds --url, --token, --context and --json to a command that talks to the hub. */
export const connected = (command: Command): Command =>
  command
    .option('--url <url>', `where the hub is (or ROOST_URL; ${defaultUrl})`)
    .option('--token <token>', 'a roost_… token (or ROOST_TOKEN)')
    .option('--context <name>', 'a hub that was logged in to (the one in use: roost context list)')
    .option('--json', 'print what the hub answers, as JSON')

/** @throws Error naming what is missing */
export function connect(options: { url?: string; token?: string; context?: string; json?: boolean }): Connection {
  const { ROOST_URL: envUrl, ROOST_TOKEN: envToken } = process.env
  const { url, token } = chooseHub(options, { url: envUrl, token: envToken }, () =>
    readContexts(contextsPath(process.env)),
  )
  return {
    client: createClient(url, token),
    hub: { url, token },
    output: createOutput(options.json === true, (text) => process.stdout.write(text)),
  }
}

export type ConnectionOptions = Parameters<typeof connect>[0]
