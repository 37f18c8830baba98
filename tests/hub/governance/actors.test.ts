// Names of tokens, for whoever reads what they did.

import { expect, test } from 'vitest'
import { z } from 'zod'
import { createApp } from '../../../hub/app.ts'
import { aHub } from '../a-hub.ts'

test('a viewer learns the names of the tokens they ask about, and of no others', async () => {
  await using hub = await aHub()
  const app = createApp(hub, [])
  const admin = await hub.tokenOf('admin')
  const viewer = await hub.tokenOf('viewer')
  const ask = (path: string, init: RequestInit = {}, token = viewer) =>
    app.request(path, { ...init, headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' } })
  const made = await ask('/v1/tokens', { method: 'POST', body: '{"name":"Ada","role":"approver"}' }, admin)
  const { id } = z.object({ id: z.string() }).parse(await made.json())
  const asked = ['token:ABCDEFGH', `token:${id}`, 'hub', 'claim:12ab', `x token:${id}`].join()
  expect(await (await ask(`/v1/actors?actors=${encodeURIComponent(asked)}`)).json()).toEqual({
    names: { [`token:${id}`]: 'Ada' },
  })
  expect(await (await ask('/v1/actors?actors=hub')).json()).toEqual({ names: {} })
  const many = Array.from({ length: 101 }, (_, n) => `token:${String(n).padStart(8, '0')}`).join()
  expect((await ask(`/v1/actors?actors=${many}`)).status).toBe(422)
  expect((await app.request('/v1/actors?actors=hub')).status).toBe(401)
})
