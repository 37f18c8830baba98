// `roost login`, `roost logout` and `roost context …`: which hubs this person talks to, and as whom.

import type { Command } from 'commander'
import { z } from 'zod'
import { createClient, RequestError } from '../client.ts'
import { createOutput, table } from '../output.ts'
import { defaultUrl, hubUrl } from './choose.ts'
import {
  ContextName,
  contextNamed,
  contextsPath,
  readContexts,
  withContext,
  withoutContext,
  writeContexts,
} from './file.ts'
import { readToken } from './read-token.ts'

type JsonOption = { json?: boolean }

const withJson = (command: Command): Command => command.option('--json', 'print it as JSON')
const outputOf = ({ json }: JsonOption) => createOutput(json === true, (text) => process.stdout.write(text))
const warn = (sentence: string) => process.stderr.write(`roost: ${sentence}\n`)

export function addContextCommands(program: Command): void {
  withJson(program.command('login [name]'))
    .description(
      'store a token for a hub, under a name, once the hub has said that it is good; asks for it, or reads it from standard input',
    )
    .option('--url <url>', `where the hub is (or ROOST_URL; ${defaultUrl})`)
    .addHelpText('after', loginExamples)
    .action(login)
  withJson(program.command('logout [name]'))
    .description('forget the token of a context (the current one); the hub still takes it until it is revoked')
    .action(async (name: string | undefined, options: JsonOption) => {
      const path = contextsPath(process.env)
      const contexts = readContexts(path)
      const wanted = name ?? contexts.current
      if (wanted === null) throw new Error('no context is in use; name one: roost logout <name>')
      const gone = contextNamed(contexts, wanted)
      await writeContexts(path, withoutContext(contexts, gone.name))
      outputOf(options).print({ name: gone.name, url: gone.url }, [`forgot the token for ${gone.url} (${gone.name})`])
      if (!options.json)
        warn(`it is still good: whoever has it can use it until an admin says roost token revoke ${idOf(gone.token)}`)
    })

  const context = program.command('context').alias('contexts').description('the hubs that were logged in to')
  withJson(context.command('list'))
    .description('contexts, the one in use marked')
    .action((options: JsonOption) => {
      const { current, contexts } = readContexts(contextsPath(process.env))
      const shown = contexts.map(({ name, url }) => ({ name, url, current: name === current }))
      const rows = shown.map((row) => [row.current ? '*' : '', row.name, row.url])
      outputOf(options).print({ contexts: shown }, table(['', 'context', 'hub'], rows))
    })
  withJson(context.command('use <name>'))
    .description('from now on, commands talk to this hub')
    .action(async (name: string, options: JsonOption) => {
      const path = contextsPath(process.env)
      const contexts = readContexts(path)
      const found = contextNamed(contexts, name)
      await writeContexts(path, { ...contexts, current: found.name })
      outputOf(options).print({ name: found.name, url: found.url }, [`commands talk to ${found.url} now`])
      warnOfEnvironment()
    })
  withJson(context.command('remove <name>'))
    .description('the same as logout <name>')
    .action(async (name: string, options: JsonOption) => {
      const path = contextsPath(process.env)
      const contexts = readContexts(path)
      const gone = contextNamed(contexts, name)
      await writeContexts(path, withoutContext(contexts, name))
      outputOf(options).print({ name, url: gone.url }, [`forgot the token for ${gone.url} (${name})`])
    })
}

const loginExamples = `
Examples:
  $ roost login --url https://hub.example.com            asks for the token
  $ roost login plant-7 --url https://hub.plant-7 < token.txt`

async function login(name: string | undefined, options: JsonOption & { url?: string }): Promise<void> {
  const url = hubUrl(options.url ?? (process.env.ROOST_URL || defaultUrl))
  const named = ContextName.safeParse(name ?? url.hostname.replaceAll(/[^\w.-]/g, ''))
  if (!named.success) throw new Error(named.error.issues.map(({ message }) => message).join('; '))
  if (isReadableByOthers(url)) warn(`${url.origin} is not encrypted: the token can be read on the way`)
  const token = await readToken(process.stdin, `token for ${url.origin}: `, (text) => process.stderr.write(text))
  await assertGood(url.origin, token)
  const path = contextsPath(process.env)
  await writeContexts(path, withContext(readContexts(path), { name: named.data, url: url.origin, token }))
  outputOf(options).print({ name: named.data, url: url.origin }, [
    `logged in to ${url.origin} as context ${named.data}`,
  ])
  warnOfEnvironment()
}

const Problem = z.object({ code: z.string() })

/** Asks something cheap. A token that may not see models is a good one too.
 *  @throws RequestError, Error where what answers is no hub */
async function assertGood(url: string, token: string): Promise<void> {
  if (!/^[\x21-\x7e]+$/.test(token)) throw new Error('that is no token: it looks like roost_…; nothing was stored')
  try {
    await createClient(url, token).get('/v1/models?limit=1', z.object({ models: z.array(z.unknown()) }))
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) {
      throw new Error(`${url} answers, but not as a hub does; nothing was stored`)
    }
    if (!(error instanceof RequestError)) throw error
    const code = Problem.safeParse(error.problem).data?.code
    if (error.status === 403 && code !== undefined) return
    throw new RequestError(`${error.message}; nothing was stored`, error.status, error.problem)
  }
}

function warnOfEnvironment(): void {
  const set = ['ROOST_URL', 'ROOST_TOKEN'].filter((name) => process.env[name])
  if (set.length > 0) warn(`${set.join(' and ')} ${set.length === 1 ? 'is' : 'are'} set, and wins over contexts`)
}

/** The part of a token that is no secret. */
const idOf = (token: string): string => /^roost_([0-9A-Za-z]{8})/.exec(token)?.[1] ?? '<id>'

/** Plain HTTP that leaves this machine. */
const isReadableByOthers = ({ protocol, hostname }: URL): boolean =>
  protocol === 'http:' && !['127.0.0.1', 'localhost', '[::1]'].includes(hostname)
