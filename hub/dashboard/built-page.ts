// The dashboard's page as it was built, and what a browser is told about everything this hub serves: only the page may
// run scripts, its own and no other's; whatever else is shown in a browser, such as an artifact somebody logged, may not.

import { type Dirent, readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import type { MiddlewareHandler } from 'hono'
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

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.json': 'application/json',
}
const howToBuild = 'The dashboard is not built: run `npm run dashboard` in the checkout, then load this again.\n'
/** As Vite builds them; what is not in the folder when the hub starts is not served. */
const filesMax = 200

const compress = promisify(gzip)
type File = { type: string; plain: Uint8Array<ArrayBuffer>; gzipped: Uint8Array<ArrayBuffer> }

/** Answers the page's addresses and its assets, and lets everything else through. */
export function servePage(folder = builtFolder): MiddlewareHandler<HubEnv> {
  const names = new Set(listed(folder))
  const read = new Map<string, Promise<File>>()
  const fileOf = (name: string): Promise<File> => {
    const known = read.get(name)
    if (known !== undefined) return known
    const file = readBuilt(folder, name)
    // a file that could not be read is tried again
    file.catch(() => read.delete(name))
    read.set(name, file)
    return file
  }
  return async (c, next) => {
    const { method, path } = c.req
    const isAsked = method === 'GET' || method === 'HEAD'
    const asset = isAsked && path.startsWith('/assets/') ? path.slice(1) : undefined
    const name = isAsked && pagePaths.test(path) ? 'index.html' : asset
    const isPage = name !== undefined && (names.has(name) || name === 'index.html')
    if (!isPage) {
      await next()
      secure(c.res.headers, restPolicy)
      return
    }
    if (!names.has(name)) return c.text(howToBuild, 503, headersOf(restPolicy))
    const { type, plain, gzipped } = await fileOf(name)
    const isGzip = /\bgzip\b/.test(c.req.header('accept-encoding') ?? '')
    return c.body(isGzip ? gzipped : plain, 200, {
      ...headersOf(pagePolicy),
      'content-type': type,
      'cache-control': asset === undefined ? 'no-cache' : 'public, max-age=31536000, immutable',
      vary: 'accept-encoding',
      ...(isGzip ? { 'content-encoding': 'gzip' } : {}),
    })
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

/** Of index.html and assets; nothing where nothing was built. */
function listed(folder: string): string[] {
  const filesIn = (path: string): string[] => {
    try {
      const entries: Dirent[] = readdirSync(path, { withFileTypes: true })
      return entries.filter((entry) => entry.isFile()).map(({ name }) => name)
    } catch {
      return []
    }
  }
  const names = [...filesIn(folder), ...filesIn(join(folder, 'assets')).map((name) => `assets/${name}`)]
  return names.filter((name) => extname(name) in types).slice(0, filesMax)
}

async function readBuilt(folder: string, name: string): Promise<File> {
  const plain = new Uint8Array(await readFile(join(folder, name)))
  return { type: types[extname(name)] ?? '', plain, gzipped: new Uint8Array(await compress(plain, { level: 9 })) }
}
