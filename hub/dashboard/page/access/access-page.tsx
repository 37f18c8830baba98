// Who may do what: tokens of people and pipelines, claims with which devices enrol, and who is signed in.

import type { PageProps } from '../pages.ts'
import { Tabs, tabOf } from '../parts/tabs.tsx'
import { useMay, useSession } from '../session.ts'
import './access.css'
import { Claims } from './claims.tsx'
import { Sessions } from './sessions.tsx'
import { Tokens } from './tokens.tsx'

const all = [
  { key: 'tokens', title: 'Tokens' },
  { key: 'claims', title: 'Claims' },
  { key: 'sessions', title: 'Signed in' },
] as const

export function AccessPage({ address }: PageProps) {
  const may = useMay()
  const { models } = useSession()
  // tokens are for all models: to see them one must be, too
  const tabs = all.filter(({ key }) => key !== 'tokens' || (may('admin', 'tokens') && models === null))
  const tab = tabOf(address, tabs)
  return (
    <div class="stack">
      <div class="title">
        <h1>Access</h1>
        <p class="quiet">Who may do what at this hub, and which devices may join it.</p>
      </div>
      <Tabs label="Kinds of access" tabs={tabs} current={tab ?? 'claims'} />
      {tab === 'tokens' && <Tokens chosen={address.searchParams.get('token') ?? undefined} />}
      {tab === 'claims' && <Claims />}
      {tab === 'sessions' && <Sessions />}
    </div>
  )
}
