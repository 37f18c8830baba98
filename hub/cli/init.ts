// `roost init`: makes a hub's folder, keys and admin token, and logs in with it, so that the token is never shown.

import type { Command } from 'commander'
import { contextsPath, readContexts, withContext, writeContexts } from './contexts/file.ts'
import { createOutput } from './output.ts'

type InitOptions = { json?: boolean; context: string }

export function addInitCommand(program: Command): void {
  program
    .command('init')
    .description(
      'make the folder, keys and admin token of a hub on this machine, and log in; settings are ROOST_* variables',
    )
    .option('--context <name>', 'the name of the context', 'local')
    .option('--json', 'print it as JSON')
    .addHelpText('after', examples)
    .action(async ({ context, json }: InitOptions) => {
      // what a hub is made of is loaded by this command only
      const { initHub } = await import('./init-hub.ts')
      const path = contextsPath(process.env)
      const contexts = readContexts(path)
      if (contexts.contexts.some(({ name }) => name === context)) {
        throw new Error(`there is a context ${context} already; name another (--context), or roost logout ${context}`)
      }
      const { folder, url, token } = await initHub(process.env)
      await writeContexts(path, withContext(contexts, { name: context, url, token }))
      createOutput(json === true, (text) => process.stdout.write(text)).print({ folder, url, context }, [
        `made ${folder}, and logged in to ${url} as its admin (context ${context})`,
        'next:',
        '  roost hub                start it',
        '  roost doctor --hub       look whether it is set up well',
        '  roost claim create       a token with which a gateway enrols (roost-agent enrol)',
        '  roost push NAME FILE     register a model',
      ])
    })
}

const examples = `
Examples:
  $ roost init && roost hub
  $ ROOST_DATA_DIR=/var/lib/roost roost init --context plant-7`
