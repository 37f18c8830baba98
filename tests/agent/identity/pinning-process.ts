// A process that accepts one assignment after the other and prints each generation once it is pinned, until it is killed.
// argv: the identity folder

import { loadPinnedState, pinFirstRoot, savePinnedState } from '@roost/agent/identity/pinned-state.ts'
import { acceptAssign } from '@roost/agent/reconcile/accept.ts'
import { signRoot } from '@roost/shared/trust/root.ts'
import { aRoot, rootKey } from '../../shared/trust/builders.ts'
import { anAssignOf, expectations } from './an-assign.ts'

const [folder = ''] = process.argv.slice(2)
let pinned = (await loadPinnedState(folder)).pinned ?? pinFirstRoot(signRoot(aRoot(), [rootKey]))
for (;;) {
  const generation = pinned.generation + 1
  const outcome = acceptAssign(pinned, anAssignOf(generation), expectations)
  if (outcome.refused !== undefined) throw new Error(outcome.refused.detail)
  pinned = outcome.pinned
  await savePinnedState(folder, pinned)
  process.stdout.write(`${generation}\n`)
}
