// How the tests run: everything under tests/, real processes included, two files at a time so that
// the timing-sensitive ones do not starve each other on two cores.
import { join } from 'node:path'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // The processes that tests start by the hundred would each compile all that they load: half of what a start costs.
    env: {
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(import.meta.dirname, 'node_modules/.cache/compiled'),
    },
  },
})
