// Numbers as people read them: digits grouped, the unit beside.

const plain = new Intl.NumberFormat('en', { maximumFractionDigits: 2 })
const bytes = ['B', 'KiB', 'MiB', 'GiB', 'TiB']

export function Quantity({ value, unit }: { value: number; unit?: string }) {
  return (
    <span class="quantity">
      {plain.format(value)}
      {unit === undefined ? '' : ` ${unit}`}
    </span>
  )
}

/** `9,000` of 9000. */
export const grouped = (value: number): string => plain.format(value)

/** `1 device`, `2,000 devices`. */
export const counted = (count: number, one: string, many = `${one}s`): string =>
  `${plain.format(count)} ${count === 1 ? one : many}`

/** `1.5 MiB` of 1 572 864. */
export function inBytes(sizeBytes: number): string {
  const power = sizeBytes < 1 ? 0 : Math.min(bytes.length - 1, Math.floor(Math.log2(sizeBytes) / 10))
  return `${new Intl.NumberFormat('en', { maximumSignificantDigits: 3 }).format(sizeBytes / 1024 ** power)} ${bytes[power]}`
}
