// The whole way on the command line, with a real hub and a token for each person.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { aRunningHub } from '../cli/a-running-hub.ts'
import { roost, startRoost } from '../cli/roost.ts'
import { aForm } from '../registry/an-upload.ts'

const Made = z.object({ token: z.string() })

test('a version goes to production by gates, an approval and its revocation', async () => {
  await using hub = await aRunningHub()
  const send = async (path: string, body: FormData | string): Promise<unknown> => {
    const type = typeof body === 'string' ? { 'content-type': 'application/json' } : {}
    const headers = { authorization: `Bearer ${hub.token}`, ...type }
    return (await fetch(new URL(path, hub.url), { method: 'POST', body, headers })).json()
  }
  const { token } = Made.parse(await send('/v1/tokens', JSON.stringify({ name: 'ann', role: 'approver' })))
  const ann = { url: hub.url, token }
  const policy = join(hub.folder, 'policy.json')
  const production = { gates: ['size<=1MB', 'metrics.loss < 0.3'], automatic: true, approvals: { needed: 1 } }
  await writeFile(policy, JSON.stringify({ stages: { staging: { automatic: true }, production } }))

  const set = await roost(hub, 'gates', 'set', 'scale', policy)
  expect(set.stdout).toContain('scale, revision 1')
  expect(set.stdout).toContain('  size <= 1 MB\n  metrics.loss < 0.3')
  const { token: ci } = Made.parse(await send('/v1/tokens', JSON.stringify({ name: 'ci', role: 'ci' })))
  const registered = await post(hub.url, ci)
  expect(registered).toBe(201)
  const checked = await roost(ann, 'gates', 'check', 'scale', '1')
  expect(checked.code).toBe(0)
  const judgedBy = async (...gates: string[]) => {
    const changed = { stages: { staging: { automatic: true }, production: { ...production, gates, automatic: false } } }
    await writeFile(policy, JSON.stringify(changed))
    expect((await roost(hub, 'gates', 'set', 'scale', policy)).code).toBe(0)
    return (await roost(ann, 'gates', 'check', 'scale', '1')).code
  }
  expect(checked.stdout).toContain('pass      metrics.loss < 0.3: metrics.loss is 0.25, as wanted < 0.3')

  const listed = await roost(ann, 'approve')
  const [id = ''] = /p-[0-9a-z]+-[0-9a-f]{10}/.exec(listed.stdout) ?? []
  expect(listed.stdout).toMatch(/scale 1 +production +0 of 1 +hub/)
  const approved = await roost(ann, 'approve', id, '--comment', 'fine')
  expect(approved.stdout).toBe(`${id}: scale 1 to production: approved, 1 of 1 approval\n`)
  const named = await Promise.all(
    ['gates show', 'promote', 'model card'].map((command) => roost(ann, ...command.split(' '), 'scale', '@champion')),
  )
  expect(named.map(({ code }) => code)).toEqual([0, 0, 0])
  const revoked = await roost(ann, 'approve', id, '--revoke', '--comment', 'wrong file')
  expect(revoked.stdout).toContain('revoked, 0 of 1 approval')
  const champion = await roost(ann, 'promote', 'scale', '@champion')
  expect(champion.stderr).toContain('there is no alias "scale@champion"')
  const way = await roost(ann, 'promote', 'scale', '1')
  expect(way.stdout).toContain('scale 1 is in staging\nheld: an approval was revoked by token:')

  // each end of a judgement and of a request has its own exit code
  expect(await judgedBy('metrics.loss < 0.1')).toBe(5)
  expect(await judgedBy('metrics.auc > 0.9')).toBe(6)
  expect(await judgedBy('metrics.loss < 0.3')).toBe(0)
  expect((await roost({ url: 'http://127.0.0.1:9', token }, 'gates', 'check', 'scale', '1')).code).toBe(3)
  for (const [answer, code] of [
    ['--reject', 1],
    ['--comment', 0],
  ] as const) {
    const waiting = startRoost({ url: hub.url, token: ci }, 'promote', 'scale', '1', '--to', 'production', '--wait')
    await waiting.saysOn('stderr', 'roost approve p-')
    const [asked = ''] = /p-[0-9a-z]+-[0-9a-f]{10}/.exec(waiting.said().stderr) ?? []
    expect((await roost(ann, 'approve', asked, answer, ...(code === 0 ? ['fine'] : []))).code).toBe(0)
    const ended = await waiting.ended
    expect([ended.code, ended.stdout.split('\n')[0]]).toEqual([
      code,
      `scale 1 is in ${code === 0 ? 'production' : 'staging'}`,
    ])
  }

  const described = await fetch(new URL('/v1/openapi.json', hub.url), { headers: { authorization: `Bearer ${ci}` } })
  expect(JSON.stringify(await described.json())).toContain('accuracy >= champion - 0.01 with 95 % confidence')
})

async function post(url: string, token: string): Promise<number> {
  const body = aForm({ metadata: { metrics: { loss: 0.25 } } })
  const headers = { authorization: `Bearer ${token}` }
  return (await fetch(new URL('/v1/models/scale/versions', url), { method: 'POST', body, headers })).status
}
