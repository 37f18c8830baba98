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
 *  @throws Error saying what is wrong with the address, or how to get a token */
export function chooseHub(given: Given, environment: Given, contexts: () => Contexts): HubAddress {
  if (given.context !== undefined) return addressOf(contextNamed(contexts(), given.context))
  const url = given.url || environment.url || undefined
  const origin = url === undefined ? undefined : hubUrl(url).origin
  const token = given.token || environment.token || undefined
  if (token !== undefined) return { url: url ?? defaultUrl, token }
  const { current, contexts: known } = contexts()
  if (url !== undefined) {
    const there = known.filter((context) => new URL(context.url).origin === origin)
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

/** Scheme, host and port: a hub serves the root of its host, its dashboard and cookies with it.
 *  @throws Error saying what is wrong with it */
export function hubUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
    throw new Error(`${JSON.stringify(text)} is no address of a hub: write it as https://hub.example.com`)
  }
  if (url.username !== '' || url.password !== '')
    throw new Error('a hub asks for a token, not for a password in its address')
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') {
    throw new Error(
      `a hub is at the root of its host, not below a path: write ${url.origin}, and let a proxy in between give the hub a name or a port of its own`,
    )
  }
  return url
}
