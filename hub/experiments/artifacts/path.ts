// Where a client says a file lies, and whether that can be believed. Files are rows that point to blobs, so no path of a
// client's ever reaches a file system here; but it does on the machine that downloads it, and there it must stay inside.

/** `id` of a version is `<model>/<version>`. */
export type Owner = { kind: 'run' | 'model' | 'version'; id: string }
/** A file or folder of an owner; `path` is '' for all of them. `root` is the experiment's location, '' of a version. */
export type Place = { root: string; owner: Owner; path: string }

/** Bytes of a path as UTF-8, of one name in it, and names. */
export const pathBytesMax = 1_024
const nameBytesMax = 255
const namesMax = 32

/** How often a path may be percent-encoded before it counts as a trick. */
const encodingsMax = 8

/** What is wrong with a relative path, in words; undefined where nothing is. */
export function pathFault(path: string): string | undefined {
  if (!path.isWellFormed()) return 'it is not valid Unicode'
  if (Buffer.byteLength(path) > pathBytesMax) return `it is longer than ${pathBytesMax} bytes`
  const names = path.split('/')
  if (names.length > namesMax) return `it is deeper than ${namesMax} folders`
  for (const name of names) {
    if (name === '') return 'it begins or ends with a slash, or has two in a row'
    if (Buffer.byteLength(name) > nameBytesMax) return `a name in it is longer than ${nameBytesMax} bytes`
  }
  return readings(path)
    .map(escapeFault)
    .find((fault) => fault !== undefined)
}

/** Some server or client between here and a disk may decode it once more: no reading of it may lead elsewhere. */
function readings(path: string): string[] {
  const all = [path]
  for (let reading = path; ; ) {
    const decoded = reading.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    )
    if (decoded === reading) return all
    // still encoded: the percent sign itself is refused by escapeFault's caller no more than other characters are
    if (all.length > encodingsMax) return [...all, '..']
    all.push(decoded)
    reading = decoded
  }
}

function escapeFault(path: string): string | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(path)) return 'it holds a control character'
  if (/[\\#?]/.test(path)) return 'it holds a backslash, # or ?'
  if (/^[a-z]:/i.test(path)) return 'it begins with a drive letter'
  if (path.startsWith('/')) return 'it is absolute'
  if (path.split('/').some((name) => name === '..' || name === '.')) return 'it holds . or .. as a name'
  return undefined
}

/** `<experiment's location>/<run id>/artifacts/…`, `<experiment's location>/models/<model id>/artifacts/…` or
 *  `versions/<model>/<version>/…`, relative to `mlflow-artifacts:/`. Undefined where it is none of them. */
export function readPlace(path: string): Place | undefined {
  const [, version, file = ''] = /^versions\/([^/]+\/[1-9]\d{0,8})(?:\/(.*))?$/s.exec(path) ?? []
  if (version !== undefined) return { root: '', owner: { kind: 'version', id: version }, path: file }
  const found =
    /^(?<root>.+?)\/(?:models\/(?<model>m-[0-9a-f]{32})|(?<run>[0-9a-f]{32}))\/artifacts(?:\/(?<rest>.*))?$/s.exec(path)
  const { root = '', model, run, rest = '' } = found?.groups ?? {}
  if (model !== undefined) return { root, owner: { kind: 'model', id: model }, path: rest }
  return run === undefined ? undefined : { root, owner: { kind: 'run', id: run }, path: rest }
}

const scheme = /^mlflow-artifacts:(?:\/\/[^/]*)?\//

/** The part of an `mlflow-artifacts:` URI after the host; undefined for other URIs. */
export const artifactUriPath = (uri: string): string | undefined =>
  scheme.test(uri) ? uri.replace(scheme, '').replace(/\/+$/, '') : undefined
