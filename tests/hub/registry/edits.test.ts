// What may change of models and versions after they were registered: descriptions, tags, aliases, stages.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Alias, resolveAlias } from '../../../hub/registry/aliases.ts'
import { editedTags } from '../../../hub/registry/tags.ts'
import { aHub } from '../a-hub.ts'
import { aRegistry, recorded } from './a-registry.ts'

const one = '/v1/models/scale/versions/1'

describe('an edit', () => {
  test('changes what it names, wants the ETag of what it was made from, and is recorded with before and after', async () => {
    await using hub = await aHub()
    const { ask, register } = await aRegistry(hub)
    await register({ metadata: { tags: { team: 'vision', kept: 'yes' }, framework: 'sklearn 1.7' } })
    const before = await ask('viewer', 'GET', one)
    expect(before.body).toMatchObject({ tags: { team: 'vision', kept: 'yes' }, framework: 'sklearn 1.7' })

    const edit = { description: 'better', tags: { team: null, owner: 'ada' } }
    expect(await ask('ci', 'PATCH', one, edit)).toMatchObject({ status: 428, body: { code: 'precondition-required' } })
    const stated = { 'if-match': String(before.etag) }
    const after = await ask('ci', 'PATCH', one, edit, stated)
    expect(after).toMatchObject({ status: 200, body: { description: 'better' } })
    expect(after.body).toHaveProperty('tags', { kept: 'yes', owner: 'ada' })
    expect(after.etag).not.toBe(before.etag)
    const late = await ask('ci', 'PATCH', one, { description: 'lost' }, stated)
    expect(late).toMatchObject({ status: 412, body: { code: 'changed' } })
    expect((await recorded(hub)).at(-1)).toEqual([
      'version.edit',
      'version:scale/1',
      { description: '', tags: { team: 'vision', owner: null } },
      { description: 'better', tags: { team: null, owner: 'ada' } },
    ])
    const records = (await recorded(hub)).length
    const same = await ask('ci', 'PATCH', one, { description: 'better' }, { 'if-match': '*' })
    expect([same.etag, (await recorded(hub)).length]).toEqual([after.etag, records])
  })

  test('of a model does the same, and of two at once with one ETag only one is done', async () => {
    await using hub = await aHub()
    const { ask } = await aRegistry(hub)
    const made = await ask('ci', 'POST', '/v1/models', { name: 'scale', tags: { a: '1' } })
    expect(made).toMatchObject({ status: 201, body: { latestVersion: 0, tags: { a: '1' } } })
    expect(await ask('ci', 'POST', '/v1/models', { name: 'scale' })).toMatchObject({ status: 409 })
    const stated = { 'if-match': String(made.etag) }
    const answers = await Promise.all(
      ['x', 'y', 'z'].map((description) => ask('ci', 'PATCH', '/v1/models/scale', { description }, stated)),
    )
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 412, 412])
  })

  test.each([
    ['an unknown field', { stage: 'production' }],
    ['half a surrogate pair', { description: '\ud83d' }],
    ['NUL', { tags: { a: 'b\0c' } }],
    ['an empty key', { tags: { '': 'x' } }],
    ['a number', { tags: { a: 1 } }],
    ['a value too long', { tags: { a: 'x'.repeat(5_001) } }],
    ['too many tags', { tags: Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`t${i}`, ''])) }],
  ])('with %s is refused whole', async (_, edit) => {
    await using hub = await aHub()
    const { ask, register } = await aRegistry(hub)
    await register()
    const answer = await ask('ci', 'PATCH', one, { ...edit }, { 'if-match': '*' })
    expect(answer.status).toBe(422)
    expect((await ask('viewer', 'GET', one)).body).toMatchObject({ description: '', tags: {} })
  })

  test('viewers, operators and devices change nothing', async () => {
    await using hub = await aHub()
    const { ask, register } = await aRegistry(hub)
    await register()
    for (const role of ['viewer', 'operator', 'approver'] as const) {
      expect((await ask(role, 'PATCH', one, {}, { 'if-match': '*' })).status).toBe(403)
      expect((await ask(role, 'PUT', '/v1/models/scale/aliases/a', { version: 1 })).status).toBe(403)
      expect((await ask(role, 'DELETE', one)).status).toBe(403)
    }
    expect((await ask('ci', 'PUT', `${one}/stage`, { stage: 'production' })).status).toBe(403)
  })

  test('merges tags as a merge patch does', () => {
    const tags = fc.dictionary(fc.string(), fc.string())
    const edit = fc.dictionary(fc.string(), fc.option(fc.string()))
    fc.assert(
      fc.property(tags, edit, (before, change) => {
        const after = editedTags(before, change)
        for (const key of new Set([...Object.keys(before), ...Object.keys(change)])) {
          const expected = Object.hasOwn(change, key) ? (change[key] ?? undefined) : before[key]
          expect(Object.hasOwn(after, key) ? after[key] : undefined).toBe(expected)
        }
      }),
      { seed: 20261125 },
    )
  })
})

describe('an alias', () => {
  test('names a version, moves, and goes; each is recorded', async () => {
    await using hub = await aHub()
    const { ask, register } = await aRegistry(hub)
    await register()
    await register({ metadata: { variant: 'other' } })
    const champion = '/v1/models/scale/aliases/champion'
    expect(await ask('ci', 'PUT', champion, { version: 1 })).toMatchObject({
      status: 200,
      body: { alias: 'champion', version: 1 },
    })
    expect((await ask('viewer', 'GET', one)).body).toMatchObject({ aliases: ['champion'] })
    expect((await ask('viewer', 'GET', '/v1/models/scale/versions/@champion')).body).toMatchObject({ version: 1 })
    expect(await ask('ci', 'PUT', champion, { version: 2 })).toMatchObject({ status: 200 })
    expect((await ask('viewer', 'GET', '/v1/models/scale/versions/@champion')).body).toMatchObject({ version: 2 })
    expect((await ask('viewer', 'GET', one)).body).toMatchObject({ aliases: [] })
    expect(await resolveAlias(hub.database, 'scale', 'champion')).toBe(2)
    expect(await ask('ci', 'PUT', champion, { version: 3 })).toMatchObject({ status: 404 })
    expect(await ask('viewer', 'GET', '/v1/models/scale/aliases')).toMatchObject({
      body: { aliases: [{ alias: 'champion', version: 2 }] },
    })
    expect((await ask('ci', 'DELETE', champion)).status).toBe(204)
    expect((await ask('ci', 'DELETE', champion)).status).toBe(404)
    expect((await ask('viewer', 'GET', '/v1/models/scale/versions/@champion')).status).toBe(404)
    expect((await recorded(hub)).slice(2)).toEqual([
      ['alias.set', 'model:scale', null, { alias: 'champion', version: 1 }],
      ['alias.set', 'model:scale', { alias: 'champion', version: 1 }, { alias: 'champion', version: 2 }],
      ['alias.remove', 'model:scale', { alias: 'champion', version: 2 }, null],
    ])
  })

  test.each([
    ['latest', false],
    ['Latest', false],
    ['v1', false],
    ['V23', false],
    ['', false],
    ['a b', false],
    ['a/b', false],
    ['..', false],
    ['a'.repeat(256), false],
    ['champion', true],
    ['v1-hotfix', true],
    ['very_LATEST', true],
    ['größe', true],
    ['42', true],
  ])('%j is a name: %s', (alias, may) => {
    expect(Alias.safeParse(alias).success).toBe(may)
  })

  test('that may not be is refused over HTTP, and none is found by a strange one', async () => {
    await using hub = await aHub()
    const { ask, register } = await aRegistry(hub)
    await register()
    for (const alias of ['latest', 'v7', '%2e%2e', 'a%2Fb', '%00']) {
      // a URL's own dots are resolved before they are sent
      const answer = await ask('ci', 'PUT', `/v1/models/scale/aliases/${alias}`, { version: 1 })
      expect(answer.status).toBe(alias === '%2e%2e' ? 404 : 422)
      expect([404, 422]).toContain((await ask('viewer', 'GET', `/v1/models/scale/versions/@${alias}`)).status)
    }
    expect(await ask('viewer', 'GET', '/v1/models/scale/versions/newest')).toMatchObject({
      status: 404,
      body: { detail: expect.stringContaining('version: is a number such as 3, or @ and an alias') },
    })
  })
})

describe('a stage', () => {
  test('is development at first, an approver sets it, lists filter by it and by tags', async () => {
    await using hub = await aHub()
    const { ask, register } = await aRegistry(hub)
    await register({ metadata: { tags: { team: 'a' } } })
    await register({ metadata: { variant: 'other', tags: { team: 'b=c' } } })
    const moved = await ask('approver', 'PUT', '/v1/models/scale/versions/2/stage', { stage: 'staging' })
    expect(moved).toMatchObject({ status: 200, body: { stage: 'staging' } })
    expect((await ask('approver', 'PUT', `${one}/stage`, { stage: 'gone' })).status).toBe(422)
    const list = async (query: string) => (await ask('viewer', 'GET', `/v1/models/scale/versions?${query}`)).body
    expect(await list('stage=staging')).toMatchObject({ versions: [{ version: 2 }] })
    expect(await list('stage=archived')).toMatchObject({ versions: [] })
    expect(await list('tag=team%3Da')).toMatchObject({ versions: [{ version: 1 }] })
    expect(await list('tag=team%3Db%3Dc')).toMatchObject({ versions: [{ version: 2 }] })
    expect(await list('tag=team&stage=development')).toMatchObject({ versions: [{ version: 1 }] })
    expect(await list('tag=team&tag=none')).toMatchObject({ versions: [] })
    expect((await recorded(hub)).at(-1)).toEqual([
      'version.stage',
      'version:scale/2',
      { stage: 'development' },
      { stage: 'staging' },
    ])
  })
})
