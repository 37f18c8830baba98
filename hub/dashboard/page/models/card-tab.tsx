// The model card, as the hub writes it now; the same in the formats of others to download.

import { answer, api } from '../api.ts'
import type { components } from '../api-types.d.ts'
import { ErrorState } from '../parts/error-state.tsx'
import { Loading } from '../parts/loading.tsx'
import { useResource } from '../resource.ts'
import { type Block, readCard } from './card-markdown.ts'
import { RowsTable } from './rows-table.tsx'

export function CardTab({ version }: { version: Pick<components['schemas']['Version'], 'model' | 'version'> }) {
  const path = { name: version.model, version: String(version.version) }
  const card = useResource(
    `card ${path.name} ${path.version}`,
    (signal) =>
      answer(
        api.GET('/v1/models/{name}/versions/{version}/card', {
          params: { path, query: { format: 'markdown' } },
          parseAs: 'text',
          signal,
        }),
      ),
    ['models'],
  )
  const base = `/v1/models/${encodeURIComponent(version.model)}/versions/${version.version}/card?format=`
  if (card.value === undefined) {
    return card.error === undefined ? <Loading rows={8} /> : <ErrorState error={card.error} retry={card.refresh} />
  }
  return (
    <article class="card stack model-card">
      <p class="quiet">
        Download:{' '}
        <a href={`${base}markdown`} download={`${version.model}-${version.version}.md`}>
          Markdown
        </a>
        ,{' '}
        <a href={`${base}json`} download={`${version.model}-${version.version}.card.json`}>
          JSON (Model Card Toolkit)
        </a>
        ,{' '}
        <a href={`${base}cyclonedx`} download={`${version.model}-${version.version}.cdx.json`}>
          CycloneDX 1.6
        </a>
      </p>
      {readCard(String(card.value)).map((block, n) => (
        // a card is read anew as a whole: its blocks have no names of their own
        <BlockOf key={`${n} ${block.kind}`} block={block} />
      ))}
    </article>
  )
}

function BlockOf({ block }: { block: Block }) {
  if (block.kind === 'heading') return block.level <= 2 ? <h2>{block.text}</h2> : <h3>{block.text}</h3>
  if (block.kind === 'paragraph') return <p class={block.isNote ? 'quiet' : 'prose'}>{block.text}</p>
  if (block.kind === 'list') {
    return (
      <ul class="bullets">
        {block.items.map((item, n) => (
          <li key={`${n} ${item}`}>{item}</li>
        ))}
      </ul>
    )
  }
  return (
    <RowsTable label="Table of the card">
      <thead>
        <tr>
          {block.header.map((cell) => (
            <th key={cell} scope="col">
              {cell}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {block.rows.map((row, n) => (
          <tr key={`${n} ${row[0] ?? ''}`}>
            {row.map((cell, m) => (
              <td key={block.header[m]}>{cell}</td>
            ))}
          </tr>
        ))}
      </tbody>
    </RowsTable>
  )
}
