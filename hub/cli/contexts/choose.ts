// Which hub a command talks to and with which token, out of what was typed, the environment and the contexts.

import { type Context, type Contexts, contextNamed } from './file.ts'

export type HubAddress = { url: string; token: string }

export const defaultUrl = 'http://127.0.0.1:7070'

export type Given = {
  url?: string | undefined
  token?: string | undefined
  /** A context's name. */
  context?: string | undefined
}

/** What is typed wins over the environment, and that over the current context. An address and a token are never taken from
 *  two places, so that no token reaches a hub it is not for: a token alone is for the default address, and an address alone
 *  takes the token that was stored for it.
 *  @throws Error saying how to get a token */
export function chooseHub(given: Given, environment: Given, contexts: () => Contexts): HubAddress {
  if (given.context !== undefined) return addressOf(contextNamed(contexts(), given.context))
  const url = given.url || environment.url || undefined
  const token = given.token || environment.token || undefined
  if (token !== undefined) return { url: url ?? defaultUrl, token }
  const { current, contexts: known } = contexts()
  if (url !== undefined) {
    const there = known.filter((context) => originOf(context.url) === originOf(url))
    const found = there.find(({ name }) => name === current) ?? there[0]
    if (found !== undefined) return { url, token: found.token }
    throw new Error(`no token for ${url}: roost login --url ${url}, or set ROOST_TOKEN`)
  }
  if (current !== null) return addressOf(contextNamed({ formatVersion: 1, current, contexts: known }, current))
  const names = known.map(({ name }) => name).join(', ')
  throw new Error(
    names === ''
      ? 'no token: roost login, or set ROOST_TOKEN (the hub prints an admin token at its first start)'
      : `no context is in use: roost context use <name>; there are ${names}`,
  )
}

const addressOf = ({ url, token }: Context): HubAddress => ({ url, token })

/** Scheme, host and port; the text itself where it is no URL, which the request then says. */
function originOf(url: string): string {
  return URL.canParse(url) ? new URL(url).origin : url
}
