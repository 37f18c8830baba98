// `roost doctor`: looks for what is most often set up wrong, and says what to do about it.

import { stat } from 'node:fs/promises'
import { type Finding, fault, findingLines, ok, warning } from '@roost/shared/diagnosis/finding.ts'
import type { Command } from 'commander'
import { unlessMissing } from '../../storage/files.ts'
import { type ConnectionOptions, connected } from '../connection.ts'
import { chooseHub } from '../contexts/choose.ts'
import { contextsPath, readContexts } from '../contexts/file.ts'
import { createOutput } from '../output.ts'
import { exitCodeOfFindings } from './finding.ts'

type DoctorOptions = ConnectionOptions & { hub?: boolean }

export function addDoctorCommand(program: Command): void {
  connected(program.command('doctor'))
    .description(
      'find what is set up wrong, from here to the hub, and with --hub on its own machine (as its user, with its ROOST_* settings); exit code 1 where something is broken, 3 where only the hub is away',
    )
    .option('--hub', 'look at the settings and the folder of the hub on this machine')
    .addHelpText('after', examples)
    .action(async (options: DoctorOptions) => {
      // what these are made of is loaded by this command only
      const findings = options.hub ? await checkHere() : [await contextsFinding(), ...(await checkFromHere(options))]
      createOutput(options.json === true, (text) => process.stdout.write(text)).print(
        { findings },
        findingLines(findings),
      )
      process.exitCode = exitCodeOfFindings(findings)
    })
}

const examples = `
Examples:
  $ roost doctor                                 from here to the hub in use
  $ roost doctor --context plant-7 --json
  $ ROOST_DATA_DIR=/var/lib/roost roost doctor --hub`

async function checkHere(): Promise<Finding[]> {
  const { checkHub } = await import('./hub-checks.ts')
  return checkHub(process.env, Date.now())
}

async function checkFromHere(options: DoctorOptions): Promise<Finding[]> {
  const { checkConnection } = await import('./connection-checks.ts')
  const { readProfiles } = await import('../../registry/profiles.ts')
  const environment = { url: process.env.ROOST_URL, token: process.env.ROOST_TOKEN }
  const hub = chooseHub(options, environment, () => readContexts(contextsPath(process.env)))
  return checkConnection(hub, new Set((await readProfiles()).map(({ name }) => name)), Date.now)
}

/** Tokens are nobody else's. */
async function contextsFinding(): Promise<Finding> {
  const path = contextsPath(process.env)
  const found = await unlessMissing(stat(path), undefined)
  if (found === undefined) return ok('contexts', 'none are stored')
  if ((found.mode & 0o077) !== 0) {
    return warning(
      'contexts',
      `others on this machine may read the tokens in ${path}`,
      `chmod 600 ${path}; revoke them if somebody has`,
    )
  }
  try {
    return ok('contexts', `${readContexts(path).contexts.length} in ${path}`)
  } catch (error) {
    if (!(error instanceof Error)) throw error
    return fault('contexts', error.message, 'roost login')
  }
}
