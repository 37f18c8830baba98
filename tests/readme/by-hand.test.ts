// What README.md and the pages of docs tell to type, typed: one page after the other, for they all use the ports that a hub
// and an agent have where nothing else is said. docs/cli.md has a test of its own, docs/install.md's packages as well.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { quickNpx, type Ran, root, run } from './a-checkout.ts'

const read = (path: string) => readFileSync(join(root, path), 'utf8')
const blocksIn = (markdown: string): string[] =>
  [...markdown.matchAll(/^```sh\n(.*?)^```/gms)].map(([, commands]) => commands ?? '')
const commandsIn = (markdown: string): string => blocksIn(markdown).join('')
const lastOf = ({ checkout }: Ran, log: string) => readFileSync(join(checkout, log), 'utf8').trim().split('\n').at(-1)

describe('the job by hand of the README', () => {
  const [, commands = ''] = /<!-- the commands below.*?```sh\n(.*?)```/s.exec(read('README.md')) ?? []
  const [asked = '', measured = ''] = blocksIn(read('docs/agent.md'))
  const [sealed = ''] = blocksIn(read('docs/sealing.md'))
  const pipeline = blocksIn(read('docs/install.md')).find((block) => block.includes('token create')) ?? ''
  // what it says is the same of eight runs as of four hundred
  const simulated = (blocksIn(read('docs/simulator.md'))[0] ?? '').replace('--runs 400', '--runs 8')
  let ran: Ran
  beforeAll(async () => {
    ran = await run(
      [
        commands,
        `echo ASIDES\n${asked}echo\n${measured}echo`,
        'cp demo-files/v1.onnx pump.onnx',
        sealed,
        pipeline,
        `cp scripts/demo/plans/canary.json plan.yaml\n${simulated}ls picture.svg`,
      ].join('\n'),
    )
  }, 600_000)
  afterAll(() => ran[Symbol.dispose]())

  test('ten commands', () => {
    expect(commands.trim().split('\n')).toHaveLength(10)
  })

  test('run through, and the hub and the agent stop when they are told', () => {
    expect(ran.status, ran.output).toBe(0)
    expect(ran.failed, ran.output).toEqual([])
    expect(lastOf(ran, 'hub.log')).toContain('hub stopped')
    expect(lastOf(ran, 'agent.log')).toContain('agent stopped')
  })

  test('show a rollout that completes, the model that serves, and drift on readings it was not trained on', () => {
    expect(ran.output).toContain('completed: every stage passed; 1 of 1 device had it at the end')
    expect(ran.output).toContain('"name":"motes","versions":["1"]')
    expect(ran.output).toMatch(/motes 1 on 1 devices?, \d+ windows: drifted since/)
  })

  test('and what the pages on the agent, sealing, pipelines and the simulator say works beside it', () => {
    const [, asides = ''] = ran.output.split('ASIDES')
    expect(asides).toContain('"model_name":"motes"')
    expect(asides).toContain('pump 1')
    expect(asides).toMatch(/roost_[0-9A-Za-z]+/)
    expect(asides).toContain('picture.svg')
  })
})

describe('get started, and running a hub', () => {
  const commands = commandsIn(read('docs/get-started.md'))
  const operating = commandsIn(read('docs/operate.md'))
  let ran: Ran
  beforeAll(async () => {
    ran = await run(`${quickNpx}\n${commands}\necho STARTED\n${operating}`)
  }, 600_000)
  afterAll(() => ran[Symbol.dispose]())

  test('every command does what it should', () => {
    expect(commands.trim().split('\n').length).toBeGreaterThan(20)
    expect(operating.trim().split('\n').length).toBeGreaterThanOrEqual(8)
    expect(ran.status, ran.output).toBe(0)
    expect(ran.failed, ran.output).toEqual([])
  })

  test('a second version goes to one of three, and to all when the gates have passed', () => {
    const [started] = ran.output.split('STARTED')
    expect(started).toContain('Stage canary passed')
    expect(started).toContain('Now 3 of 3 devices run motes 2')
    expect(started).toContain('the log is whole')
  })

  test('a restored hub has its log and its devices', () => {
    const [, operated = ''] = ran.output.split('STARTED')
    expect(operated).toContain('the log is whole')
    for (const device of ['gateway-1', 'gateway-2', 'gateway-3']) expect(operated).toContain(device)
    expect(lastOf(ran, 'hub-restored.log')).toContain('hub stopped')
  })
})
