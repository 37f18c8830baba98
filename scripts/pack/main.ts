// `npm run pack`: in packages/, the npm packages @roost/shared, @roost/hub and @roost/agent, compiled, and what a gateway
// without npm is given (gateway.ts).
// A checkout runs from its sources; Node strips types nowhere below node_modules, so what is installed is JavaScript.

import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import agent from '../../agent/package.json' with { type: 'json' }
import { asPackage, asPublished, shipped, workspaces } from './compiled.ts'
import { packForGateways } from './gateway.ts'

const root = join(import.meta.dirname, '../..')
const packages = join(root, 'packages')
// below the root, where the compiler finds what the sources import
const compiled = join(packages, 'compiled')

rmSync(packages, { recursive: true, force: true })
for (const workspace of workspaces) stage(workspace)
// the compiler sees the staged copy of shared, not the sources that npm links
mkdirSync(join(compiled, 'node_modules/@roost'), { recursive: true })
symlinkSync(join(compiled, 'shared'), join(compiled, 'node_modules/@roost/shared'))
compile()
buildDashboard()
for (const workspace of workspaces) {
  const folder = join(compiled, workspace)
  for (const path of filesOf(folder)) if (isSource(path)) rmSync(join(folder, path))
  execFileSync('npm', ['pack', '--silent', '--pack-destination', packages], { cwd: folder, stdio: 'inherit' })
}
packForGateways(root, compiled, packages, agent.version)

function stage(workspace: string): void {
  const from = join(root, workspace)
  const to = join(compiled, workspace)
  for (const path of filesOf(from).filter(shipped)) {
    mkdirSync(dirname(join(to, path)), { recursive: true })
    if (isSource(path)) writeFileSync(join(to, path), asPublished(readFileSync(join(from, path), 'utf8')))
    else cpSync(join(from, path), join(to, path))
  }
  cpSync(join(root, 'LICENSE'), join(to, 'LICENSE'))
  if (workspace !== 'shared')
    cpSync(join(root, 'firmware-profiles'), join(to, 'firmware-profiles'), { recursive: true })
  const manifest: unknown = JSON.parse(readFileSync(join(from, 'package.json'), 'utf8'))
  writeFileSync(join(to, 'package.json'), `${JSON.stringify(asPackage(manifest), null, 2)}\n`)
}

function compile(): void {
  const compilerOptions = {
    noEmit: false,
    allowImportingTsExtensions: false,
    declaration: true,
    sourceMap: true,
    inlineSources: true,
  }
  const config = join(compiled, 'tsconfig.json')
  writeFileSync(config, JSON.stringify({ extends: '../../tsconfig.json', compilerOptions, include: workspaces }))
  execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', config], { stdio: 'inherit' })
}

/** Into the package alone: a hub that runs from this checkout serves the checkout's own. */
function buildDashboard(): void {
  const into = ['--outDir', join(compiled, 'hub/dashboard/built'), '--emptyOutDir', '--logLevel', 'warn']
  execFileSync('npm', ['run', '--silent', 'dashboard', '--', ...into], { cwd: root, stdio: 'inherit' })
}

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true, encoding: 'utf8' })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
}

function isSource(path: string): boolean {
  return path.endsWith('.ts') && !path.endsWith('.d.ts')
}
