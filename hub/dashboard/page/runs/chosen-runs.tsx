// What can be done with the runs that were chosen: put them side by side.

import { counted } from '../parts/quantity.tsx'
import { comparedMax, compareHref } from './run-values.ts'

export function ChosenRuns({ chosen, onClear }: { chosen: ReadonlySet<string>; onClear: () => void }) {
  const canCompare = chosen.size >= 2 && chosen.size <= comparedMax
  return (
    <div class="row chosen-runs" role="status">
      {chosen.size === 0 ? (
        <span class="quiet">Choose 2 to {comparedMax} runs to compare them.</span>
      ) : (
        <>
          <span>{counted(chosen.size, 'run')} chosen</span>
          {canCompare ? (
            <a class="button primary" href={compareHref([...chosen])}>
              Compare
            </a>
          ) : (
            <span class="quiet">{chosen.size < 2 ? 'one more to compare' : `at most ${comparedMax} are compared`}</span>
          )}
          <button type="button" class="plain" onClick={onClear}>
            Choose none
          </button>
        </>
      )}
    </div>
  )
}
