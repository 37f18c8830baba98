// The HTTP API as a page: every route of /v1 with who may use it, what it takes and what it answers; then the documents it
// speaks of, field by field. MLflow's routes are listed: their documents are MLflow's.

import {
  type Answer,
  allowed,
  answersOf,
  areaOf,
  areasOf,
  bodyOf,
  type Content,
  type Field,
  fieldsOf,
  type Json,
  parametersOf,
  type Route,
  routesOf,
  schemasOf,
  summaryOf,
  typeOf,
  type Word,
} from '../../hub/dashboard/page/reference/openapi.ts'

/** @param document OpenAPI 3.1 as the hub gives it out: references into components.schemas only */
export function referenceOf(document: Json): string {
  const routes = routesOf(document)
  const others = routes.filter((route) => areaOf(route) === undefined)
  return [
    ...introduction,
    ...areasOf(routes).flatMap(([area, inArea]) => areaLines(area, inArea)),
    '## Other routes',
    '',
    'MLflow’s (see [mlflow](mlflow.md)), and what watches a hub.',
    '',
    '| route | what | may be used by |',
    '|---|---|---|',
    ...others.map((route) => {
      return `| \`${route.method} ${route.path}\` | ${cell(summaryOf(route))} | ${words(allowed(route))} |`
    }),
    '',
    '## Documents',
    '',
    ...Object.entries(schemasOf(document)).flatMap(([name, schema]) => {
      const fields = fieldsOf(schema)
      return [`### ${name}`, '', ...(fields.length === 0 ? [words(typeOf(schema)), ''] : table(fields))]
    }),
  ]
    .join('\n')
    .replaceAll(/\n{3,}/g, '\n\n')
    .replace(/\n*$/, '\n')
}

const introduction = [
  '<!-- written by `npm run docs:http` out of the hub’s own OpenAPI document: do not edit -->',
  '',
  '# HTTP reference',
  '',
  'The same as a document for programs: `GET /v1/openapi.json`. A token goes into `Authorization: Bearer roost_…`; a device uses',
  'HTTP Basic with its id and secret. What a scope is: [governance](governance.md#tokens). Whatever is refused is a problem',
  'document (RFC 9457) with `title`, `status`, `code`, `detail`, and the field that is wrong where there is one. Lists come in',
  'pages: `limit`, and as `cursor` the `next` of the page before. In the tables a field with `?` may be left out.',
  '',
]

const areaLines = (area: string, routes: readonly Route[]): string[] => [
  `## ${area}`,
  '',
  ...routes.flatMap((route) => [
    `### ${route.method} ${route.path}`,
    '',
    `${summaryOf(route)}. For: ${words(allowed(route))}.`,
    '',
    ...parameterLines(parametersOf(route)),
    ...bodyOf(route).flatMap((content) => contentLines('Body', content)),
    ...answersOf(route).flatMap(answerLines),
    '',
  ]),
]

function parameterLines(parameters: readonly Field[]): string[] {
  if (parameters.length === 0) return []
  const rows = parameters.map(({ name, place, isNeeded, type, text }) => {
    return `| \`${name}${isNeeded ? '' : '?'}\` | ${place} | ${words(type)} | ${cell(text)} |`
  })
  return ['| parameter | in | type | |', '|---|---|---|---|', ...rows, '']
}

const answerLines = ({ status, text, contents }: Answer): string[] =>
  contents.length === 0
    ? [`Answers ${status}: ${cell(text)}`, '']
    : contents.flatMap((content) => contentLines(`Answers ${status}`, content))

const contentLines = (what: string, content: Content): string[] =>
  content.fields.length === 0
    ? [`${what}, \`${content.type}\`: ${words(content.words)}`, '']
    : [`${what}, \`${content.type}\`:`, '', ...table(content.fields)]

function table(fields: readonly Field[]): string[] {
  const rows = fields.map(
    ({ name, isNeeded, type, text }) => `| \`${name}${isNeeded ? '' : '?'}\` | ${words(type)} | ${cell(text)} |`,
  )
  return ['| field | type | |', '|---|---|---|', ...rows, '']
}

/** What has a name is a link. */
const words = (of: readonly Word[]): string =>
  of
    .map((word) => {
      if (typeof word === 'string') return word
      return 'code' in word ? `\`${word.code}\`` : `[${word.ref}](#${word.ref.toLowerCase()})`
    })
    .join('')

const cell = (said: string): string => said.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|')
