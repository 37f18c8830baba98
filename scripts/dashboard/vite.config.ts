// How the page is built: `npm run dashboard`, and by `npm ci` where Vite is installed.
import { join } from 'node:path'
import { defineConfig } from 'vite'

const dashboard = join(import.meta.dirname, '../../hub/dashboard')

export default defineConfig({
  root: join(dashboard, 'page'),
  cacheDir: join(import.meta.dirname, '../../node_modules/.cache/vite'),
  publicDir: false,
  logLevel: 'warn',
  build: {
    outDir: join(dashboard, 'built'),
    emptyOutDir: true,
    target: 'es2023',
    // the first with light-dark(), all of spring 2024
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
    // the policy of the page lets nothing inline through
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    // the charts, loaded with the first of them; what the first page weighs is held by a test (kB)
    chunkSizeWarningLimit: 700,
  },
})
