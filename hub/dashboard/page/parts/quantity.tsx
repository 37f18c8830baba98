// Numbers as people read them: digits grouped, the unit beside.

export { inBytes } from '../../../wording.ts'

const plain = new Intl.NumberFormat('en', { maximumFractionDigits: 2 })

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
