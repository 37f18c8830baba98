// Parts of a page of which one is shown. Which one stands in the address, so that a link leads to it.

import { setQuery } from '../router.ts'

export function Tabs<Key extends string>({
  label,
  tabs,
  current,
}: {
  label: string
  tabs: readonly { key: Key; title: string }[]
  current: Key
}) {
  return (
    <div class="tabs" role="group" aria-label={label}>
      {tabs.map(({ key, title }, n) => (
        <button
          key={key}
          type="button"
          class="plain"
          aria-pressed={key === current}
          onClick={() => setQuery('tab', n === 0 ? undefined : key)}
        >
          {title}
        </button>
      ))}
    </div>
  )
}

/** The tab that the address names; the first where it names none of them. */
export const tabOf = <Key extends string>(address: URL, tabs: readonly { key: Key }[]): Key | undefined =>
  (tabs.find(({ key }) => key === address.searchParams.get('tab')) ?? tabs[0])?.key
