// What a gateway is given: an archive per architecture with the compiled agent, the packages of the lock file and the
// library of that architecture alone; install.sh, and the checksums it asks for. Needs nothing of npm on the gateway.

import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'

const architectures = ['x64', 'arm64'] as const

/** @param root of the checkout
 *  @param compiled holds `agent` and `shared` as packages
 *  @param packages where to */
export function packForGateways(root: string, compiled: string, packages: string, version: string): void {
  const work = mkdtempSync(join(tmpdir(), 'roost-gateway-'))
  try {
    const modules = installedPackages(root, work)
    // npm has linked them to their sources
    rmSync(join(modules, '@roost'), { recursive: true })
    for (const name of ['shared', 'agent']) {
      cpSync(join(compiled, name), join(modules, '@roost', name), { recursive: true })
    }
    const archives = architectures.map((architecture) => archive(work, modules, packages, version, architecture))
    cpSync(join(root, 'agent/systemd/install.sh'), join(packages, 'install.sh'))
    writeFileSync(join(packages, 'SHA256SUMS'), archives.map((path) => `${sha256(path)}  ${basename(path)}\n`).join(''))
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** What the agent's workspace needs, as the lock file says, none of it bound to a processor save onnxruntime, which
 *  brings the libraries of all. */
function installedPackages(root: string, work: string): string {
  for (const file of ['package.json', 'package-lock.json', '.npmrc', 'hub/package.json', 'shared/package.json']) {
    cpSync(join(root, file), join(work, file))
  }
  cpSync(join(root, 'agent/package.json'), join(work, 'agent/package.json'))
  const only = ['--workspace', 'agent', '--omit', 'dev', '--ignore-scripts', '--no-audit', '--no-fund']
  execFileSync('npm', ['ci', ...only], { cwd: work, stdio: 'pipe' })
  return join(work, 'node_modules')
}

function archive(work: string, modules: string, packages: string, version: string, architecture: string): string {
  const name = `roost-agent-${version}-linux-${architecture}`
  const path = join(packages, `${name}.tar.gz`)
  const folder = join(work, name)
  mkdirSync(folder)
  renameSync(modules, join(folder, 'node_modules'))
  for (const file of ['LICENSE', 'systemd/roost-agent.service']) {
    cpSync(join(folder, 'node_modules/@roost/agent', file), join(folder, basename(file)))
  }
  const libraries = `${name}/node_modules/onnxruntime-node/bin/napi-v6`
  const foreign = [
    'darwin',
    'win32',
    ...architectures.filter((other) => other !== architecture).map((a) => `linux/${a}`),
  ]
  // the same bytes whoever packs it, and when
  const same = ['--sort=name', '--owner=0', '--group=0', '--numeric-owner', '--mtime=@0', '--mode=go-w']
  const without = foreign.map((place) => `--exclude=${libraries}/${place}`)
  execFileSync('tar', ['--create', '--file', path, '--use-compress-program', 'gzip -n', ...same, ...without, name], {
    cwd: work,
    stdio: 'pipe',
  })
  renameSync(join(folder, 'node_modules'), modules)
  return path
}

const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex')
