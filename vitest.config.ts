// How the tests run: everything under tests/, real processes included, three files at a time, since much of their time is
// waiting for processes. Most files share a worker and what it has loaded; those of `alone` have a process each.
import { join } from 'node:path'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

const all = 'tests/**/*.test.ts'

/** What these change or measure belongs to the whole process: its clock and timers, its memory, its children; or they start
 *  so many processes that a worker of their own costs nothing beside. */
const alone = [
  'tests/{agent,dashboard,end-to-end,install,readme,scripts}/**/*.test.ts',
  'tests/hub/cli/*.test.ts',
  'tests/hub/fleet/{broadcast,broker-attack,chunks}.test.ts',
  'tests/hub/registry/score.test.ts',
]

/** Begun first, the longest at the front, so that none of them is left over at the end. */
const long = [
  'hub/rollouts/simulate/two-thousand-rollouts',
  'install/packages',
  'readme/by-hand',
  'end-to-end/kills',
  'hub/rollouts/crash',
  'end-to-end/main-job',
  'hub/telemetry/kills',
  'dashboard/rollout-stories',
  'agent/reconcile/shadow',
  'agent/reconcile/bad-models',
  'hub/registry/large-uploads',
  'hub/fuzz/routes',
  'end-to-end/bad-link',
  'hub/evaluation/evaluations',
  'hub/registry/kills',
  'hub/fleet/chunks',
  'end-to-end/patch',
  'end-to-end/download-resume',
  'hub/process',
  'agent/download/interruption',
  'end-to-end/restored',
  'hub/storage/blobs',
  'agent/runtime/trial',
  'hub/rollouts/engine',
  'hub/uploads/kills',
  'hub/promotion/cli',
  'hub/cli/model',
  'hub/registry/score',
  'end-to-end/sealed',
  'hub/fleet/process-attack',
  'hub/evaluation/explain',
  'hub/datasets/snapshots',
  'hub/rollouts/operations',
]

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    return sorted.toSorted((a, b) => place(a) - place(b))
  }
}

/** A worker is kept only from a file to the next of its kind, so kinds are not mixed. */
function place({ moduleId, project }: TestSpecification): number {
  const at = long.findIndex((name) => moduleId.endsWith(`/tests/${name}.test.ts`))
  if (at !== -1) return at
  return project.name === 'alone' ? long.length : long.length + 1
}

export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 3,
    // Not what a test takes but when it has hung, on a machine that is busy with other things too.
    testTimeout: 240_000,
    hookTimeout: 240_000,
    // a page is read until it says what it must: it follows the hub, at its own pace
    expect: { poll: { timeout: 120_000 } },
    sequence: { sequencer: LongestFirst },
    // The processes that tests start by the hundred would each compile all that they load: half of what a start costs.
    env: {
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(import.meta.dirname, 'node_modules/.cache/compiled'),
    },
    projects: [
      { extends: true, test: { name: 'alone', include: alone } },
      { extends: true, test: { name: 'together', include: [all], exclude: alone, isolate: false } },
    ],
  },
})
