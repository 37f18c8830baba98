// What of the audit log is shown, as it stands in the address. Times are in the viewer's zone there, as the fields have
// them, and UTC to the hub. Pure but for the zone.

export const filterNames = ['actor', 'action', 'subject', 'from', 'to'] as const
export type FilterName = (typeof filterNames)[number]
export type Filter = Partial<Record<FilterName, string>>

/** Rows of a page. */
export const pageRows = 50

export type Place = { before?: number; after?: number }

export function filterIn(address: URL): Filter {
  const found = filterNames.map((name) => [name, address.searchParams.get(name) ?? ''] as const)
  return Object.fromEntries(found.filter(([, value]) => value !== ''))
}

export function placeIn(address: URL): Place {
  const row = (name: string) => {
    const text = address.searchParams.get(name) ?? ''
    return /^\d{1,15}$/.test(text) ? Number(text) : undefined
  }
  const [before, after] = [row('before'), row('after')]
  return { ...(before !== undefined && { before }), ...(after !== undefined && { after }) }
}

export const isTime = (text: string): boolean => utc(text) !== undefined

/** Times of the address that are none: they are left out, and said to be. */
export const unreadTimes = ({ from, to }: Filter): string[] =>
  [from, to].filter((text) => text !== undefined).filter((text) => !isTime(text))

/** As the API wants it, without times that cannot be read. */
export function queryOf(filter: Filter): Filter {
  const { from, to, ...rest } = filter
  const [start, end] = [utc(from), utc(to)]
  return { ...rest, ...(start && { from: start }), ...(end && { to: end }) }
}

const utc = (text: string | undefined): string | undefined => {
  const date = new Date(text ?? '')
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString()
}

/** The address of the log with this filter, there. */
export function auditAddress(filter: Filter, place: Place & { entry?: number } = {}): string {
  const query = new URLSearchParams()
  for (const name of filterNames) {
    const value = filter[name]
    if (value !== undefined && value !== '') query.set(name, value)
  }
  for (const [name, row] of Object.entries(place)) query.set(name, String(row))
  const text = query.toString()
  return text === '' ? '/audit' : `/audit?${text}`
}
