// What differs between a workspace and the package that is made of it.

import { z } from 'zod'

export const workspaces = ['shared', 'hub', 'agent'] as const

/** Whether a file of a workspace belongs into its package as it is: the dashboard's page is built into it. */
export function shipped(path: string): boolean {
  return !/(^|\/)node_modules\/|^dashboard\/(page|built)\//.test(path)
}

/** A source whose modules are named as they are compiled, as long as before, so that no column of its map moves;
 *  and which looks for the device profiles in its own package instead of beside it. */
export function asPublished(source: string): string {
  return source
    .replace(/((?:from|import|import\(|new URL\()\s*'[^'\n]+)\.ts'/g, "$1.js'")
    .replace("../firmware-profiles/'", "./firmware-profiles/'")
    .replace('../firmware-profiles/$', './firmware-profiles/$')
}

const Manifest = z.looseObject({
  private: z.literal(true),
  bin: z.record(z.string(), z.string().endsWith('.ts')).optional(),
})

/** The package.json of the package: with the compiled commands, for everybody, for a Node that is new enough. */
export function asPackage(manifest: unknown): object {
  const { private: _, bin = {}, ...rest } = Manifest.parse(manifest)
  const commands = Object.entries(bin).map(([name, path]) => [name, path.replace(/\.ts$/, '.js')])
  return {
    ...rest,
    engines: { node: '>=24' },
    ...(commands.length === 0 ? {} : { bin: Object.fromEntries(commands) }),
  }
}
