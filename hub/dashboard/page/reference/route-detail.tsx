// One route, or one document, of the API.

import type { ComponentChildren } from 'preact'
import { Commands } from '../parts/copy-button.tsx'
import { ScrollRegion } from '../parts/scroll-region.tsx'
import { curlOf } from './curl.ts'
import {
  allowed,
  answersOf,
  bodyOf,
  type Content,
  type Field,
  fieldsOf,
  type JsonObject,
  parametersOf,
  type Route,
  summaryOf,
  typeOf,
  type Word,
} from './openapi.ts'

export function RouteDetail({ route, schemas }: { route: Route; schemas: Record<string, JsonObject> }) {
  const parameters = parametersOf(route)
  const bodies = bodyOf(route)
  return (
    <article class="card stack">
      <h2 class="mono">
        <span class="method">{route.method}</span> {route.path}
      </h2>
      <p>{summaryOf(route)}.</p>
      <p>
        For: <Words of={allowed(route)} />
      </p>
      <Commands label="As a command" text={curlOf(route, schemas, location.origin)} />
      {parameters.length > 0 && (
        <Part title="Parameters">
          <Fields label="Parameters" fields={parameters} isPlaced />
        </Part>
      )}
      {bodies.map((body) => (
        <Part key={body.type} title={`Body, ${body.type}`}>
          <Shape label="Body" content={body} />
        </Part>
      ))}
      {answersOf(route).map(({ status, text, contents }) =>
        contents.length === 0 ? (
          <Part key={status} title={`Answers ${status}`}>
            <p>{text}</p>
          </Part>
        ) : (
          contents.map((content) => (
            <Part key={status + content.type} title={`Answers ${status}, ${content.type}`}>
              <Shape label={`Answer ${status}`} content={content} />
            </Part>
          ))
        ),
      )}
    </article>
  )
}

export function DocumentDetail({ name, schema }: { name: string; schema: JsonObject }) {
  const fields = fieldsOf(schema)
  return (
    <article class="card stack">
      <h2>{name}</h2>
      <p class="quiet">A document of the API.</p>
      {fields.length === 0 ? (
        <p>
          <Words of={typeOf(schema)} />
        </p>
      ) : (
        <Fields label={name} fields={fields} />
      )}
    </article>
  )
}

function Part({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <section>
      <h3>{title}</h3>
      {children}
    </section>
  )
}

const Shape = ({ label, content: { fields, words } }: { label: string; content: Content }) =>
  fields.length === 0 ? (
    <p>
      <Words of={words} />
    </p>
  ) : (
    <Fields label={label} fields={fields} />
  )

function Fields({ label, fields, isPlaced = false }: { label: string; fields: readonly Field[]; isPlaced?: boolean }) {
  return (
    <ScrollRegion label={label}>
      <table class="fields">
        <thead>
          <tr>
            <th scope="col">Name</th>
            {isPlaced && <th scope="col">In</th>}
            <th scope="col">Type</th>
            <th scope="col">What</th>
          </tr>
        </thead>
        <tbody>
          {fields.map(({ name, place, isNeeded, type, text }) => (
            <tr key={`${place} ${name}`}>
              <th scope="row">
                <code>{name}</code>
                {!isNeeded && <small class="quiet"> optional</small>}
              </th>
              {isPlaced && <td>{place}</td>}
              <td>
                <Words of={type} />
              </td>
              <td>{text}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </ScrollRegion>
  )
}

/** What has a name leads to it. */
const Words = ({ of }: { of: readonly Word[] }) => (
  <>
    {of.map((word, i) => {
      if (typeof word === 'string') return word
      if ('code' in word) return <code key={i}>{word.code}</code>
      return (
        <a key={i} href={`/reference?document=${encodeURIComponent(word.ref)}`}>
          {word.ref}
        </a>
      )
    })}
  </>
)
