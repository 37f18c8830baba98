// What an entry of the audit log says, piece by piece: where its subject is shown, and what became of which field. Pure.

/** Where the subject of an entry is shown, as an address of this page; undefined where it is nowhere. */
export function subjectPath(subject: string): string | undefined {
  const at = subject.indexOf(':')
  const [kind, name] = [subject.slice(0, at), subject.slice(at + 1)]
  if (at < 0 || name === '') return undefined
  const part = encodeURIComponent(name)
  switch (kind) {
    case 'device':
      return `/devices/${part}`
    case 'rollout':
      return `/rollouts/${part}`
    case 'model':
      return `/models/${part}`
    case 'version': {
      // the number is behind the last slash; names of models have none
      const [, model = '', version = ''] = /^(.+)\/([0-9]+)$/.exec(name) ?? []
      return model === '' ? undefined : `/models/${encodeURIComponent(model)}/${version}`
    }
    case 'run':
      return `/runs/${part}`
    case 'token':
      return `/access?token=${part}`
    case 'claim':
      return '/access?tab=claims'
    case 'key':
    case 'root':
      return '/settings'
    default:
      return undefined
  }
}

export type Difference = { field: string; before: string | undefined; after: string | undefined; isChanged: boolean }

/** Fields of an entry that are told; the rest is counted. */
export const fieldsMax = 100
const depthMax = 4

/** The fields of two JSON values, side by side, those that changed first. A value that is no object is a field without a
 *  name; undefined: it was not there. */
export function differences(before: unknown, after: unknown): Difference[] {
  const [was, is] = [fieldsOf(before), fieldsOf(after)]
  const names = [...new Set([...was.keys(), ...is.keys()])]
  const rows = names.map((field): Difference => {
    const [from, to] = [was.get(field), is.get(field)]
    return { field, before: from, after: to, isChanged: from !== to }
  })
  return [...rows.filter(({ isChanged }) => isChanged), ...rows.filter(({ isChanged }) => !isChanged)]
}

function fieldsOf(value: unknown): Map<string, string> {
  const fields = new Map<string, string>()
  const walk = (name: string, part: unknown, depth: number) => {
    // nothing is there
    if (part === null || part === undefined) return
    if (isRecord(part) && depth < depthMax && Object.keys(part).length > 0) {
      for (const [key, inner] of Object.entries(part)) walk(name === '' ? key : `${name}.${key}`, inner, depth + 1)
    } else fields.set(name, worded(part))
  }
  walk('', value, 0)
  return fields
}

const worded = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

type Verification = {
  ok: boolean
  rows: number
  head: { seq: number; hash: string }
  unsigned: number | null
  faultsFound: number
}

/** What was found, in a sentence. */
export function verdict({ ok, rows, head, unsigned, faultsFound }: Verification): string {
  const count = (n: number, one: string, many: string) => `${n.toLocaleString('en')} ${n === 1 ? one : many}`
  if (!ok) {
    return `The log is NOT whole: ${count(faultsFound, 'fault', 'faults')} in ${count(rows, 'entry', 'entries')}.`
  }
  const since =
    unsigned === null || unsigned === 0
      ? 'the hub signed the last one'
      : `${count(unsigned, 'entry', 'entries')} since the hub last signed`
  return `The log is whole: ${count(rows, 'entry', 'entries')}, each chained to the one before; ${since}. Entry ${head.seq.toLocaleString('en')} is the head.`
}
