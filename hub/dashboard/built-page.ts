// The dashboard's page as it was built, and what a browser is told about everything this hub serves: only the page may
// run scripts, its own and no other's; whatever else is shown in a browser, such as an artifact somebody logged, may not.

import { type Dirent, readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { Context, MiddlewareHandler } from 'hono'
import type { HubEnv } from '../governance/access.ts'

export const builtFolder = join(import.meta.dirname, 'built')

/** Of the page: nothing inline, nothing from elsewhere. */
export const pagePolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "font-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ')
/** Of everything else, files of others among it: shown in an origin of its own, without scripts. */
export const restPolicy = "default-src 'none'; frame-ancestors 'none'; sandbox"

/** The page's own addresses; the rest is the API's. */
const pagePaths =
  /^\/(?:|sign-in|fleet|devices(?:\/[^/]+)?|rollouts(?:\/[^/]+)?|models(?:\/[^/]+){0,2}|datasets(?:\/[^/]+)?|runs(?:\/[^/]+)?|drift|audit|access|settings|reference)\/?$/

/** Where programs ask, whatever they accept. */
const machinePaths = /^\/(?:v1|api|assets)\//

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
}
const howToBuild = 'The dashboard is not built: run `npm run dashboard` in the checkout, then load this again.\n'
/** As Vite builds them, some 1.5 MB: read when the hub starts, so that a build meanwhile takes nothing from under it. */
const filesMax = 200

const compress = promisify(gzip)

/** Answers the page's addresses and its assets, and lets everything else through; people who came to an address at which
 *  there is nothing are shown the page, too, which says so. */
export function servePage(folder = builtFolder): MiddlewareHandler<HubEnv> {
  const files = readBuilt(folder)
  const compressed = new Map<string, Promise<Uint8Array<ArrayBuffer>>>()
  const gzipped = (name: string, plain: Uint8Array): Promise<Uint8Array<ArrayBuffer>> => {
    const known = compressed.get(name) ?? compress(plain, { level: 9 }).then((bytes) => new Uint8Array(bytes))
    compressed.set(name, known)
    return known
  }
  const send = async (c: Context<HubEnv>, name: string, status: 200 | 404): Promise<Response> => {
    const plain = files.get(name)
    if (plain === undefined) return c.text(howToBuild, 503, headersOf(restPolicy))
    const isGzip = /\bgzip\b/.test(c.req.header('accept-encoding') ?? '')
    return c.body(isGzip ? await gzipped(name, plain) : plain, status, {
      ...headersOf(pagePolicy),
      'content-type': types[extname(name)] ?? '',
      'cache-control': name === 'index.html' ? 'no-cache' : 'public, max-age=31536000, immutable',
      vary: 'accept-encoding',
      ...(isGzip ? { 'content-encoding': 'gzip' } : {}),
    })
  }
  return async (c, next) => {
    const { method, path } = c.req
    const isAsked = method === 'GET' || method === 'HEAD'
    if (isAsked && pagePaths.test(path)) return send(c, 'index.html', 200)
    const asset = path.startsWith('/assets/') ? path.slice(1) : ''
    if (isAsked && files.has(asset)) return send(c, asset, 200)
    await next()
    const isLost = isAsked && c.res.status === 404 && !machinePaths.test(path)
    if (isLost && c.req.header('accept')?.includes('text/html') && files.has('index.html')) {
      c.res = await send(c, 'index.html', 404)
    } else {
      secure(c.res.headers, restPolicy)
    }
  }
}

const headersOf = (policy: string): Record<string, string> => ({
  'content-security-policy': policy,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
})

function secure(headers: Headers, policy: string): void {
  for (const [name, value] of Object.entries(headersOf(policy))) if (!headers.has(name)) headers.set(name, value)
}

/** index.html and assets, by name; nothing where nothing was built. */
function readBuilt(folder: string): Map<string, Uint8Array<ArrayBuffer>> {
  const filesIn = (path: string): string[] => {
    try {
      const entries: Dirent[] = readdirSync(path, { withFileTypes: true })
      return entries.filter((entry) => entry.isFile()).map(({ name }) => name)
    } catch {
      return []
    }
  }
  const names = [...filesIn(folder), ...filesIn(join(folder, 'assets')).map((name) => `assets/${name}`)]
  const known = names.filter((name) => extname(name) in types).slice(0, filesMax)
  return new Map(known.map((name) => [name, new Uint8Array(readFileSync(join(folder, name)))]))
}
