// Why a runtime process died, told from how it ended and what it last wrote to stderr.

import type { Failure } from './slots.ts'

export type ProcessEnd = { code: number | null; signal: string | null; error?: Error }

const detailCharactersMax = 500

/** How V8, libstdc++ and onnxruntime put it when there is no memory left; V8 then aborts the process. */
const outOfMemory =
  /bad_alloc|bad allocation|out of memory|allocation failed|failed to allocate|cannot allocate memory|ENOMEM/i

/** The failure behind an end that nobody asked for. `deployment`: whose bundle was being tried at the time. */
export function failureOfExit(end: ProcessEnd, stderr: string, deployment: string | undefined): Failure {
  const how = end.error?.message ?? (end.signal === null ? `exit code ${end.code}` : `signal ${end.signal}`)
  const said = stderr.trim()
  return {
    reason: outOfMemory.test(said) ? 'memory' : 'crash',
    detail: said === '' ? how : `${how}: ${said}`.slice(0, detailCharactersMax),
    deployment,
  }
}
