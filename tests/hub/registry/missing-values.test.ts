// A sample with gaps, through the hub's own scorer process: JSON has no NaN, and a process must not die of one.

import { expect, test } from 'vitest'
import { createApp } from '../../../hub/app.ts'
import { VersionDocument } from '../../../hub/registry/documents.ts'
import { createRegistrar } from '../../../hub/registry/registrar.ts'
import { registryRoutes } from '../../../hub/registry/routes.ts'
import { createScorer } from '../../../hub/registry/score.ts'
import { aHub, readAs } from '../a-hub.ts'
import { aForm, post } from './an-upload.ts'

test('a sample in which a value is missing is scored like any other', async () => {
  await using hub = await aHub()
  const app = createApp(hub, [registryRoutes(hub, createRegistrar(hub, createScorer()))])
  const response = await post(app, await hub.tokenOf('ci'), aForm({ sample: 'x[0],x[1]\n1,2\n3,\n5,6\n' }))
  expect(response.status).toBe(201)
  const { baseline } = await readAs(VersionDocument, response)
  expect(baseline).toMatchObject({ source: 'sample', rows: 3 })
})
