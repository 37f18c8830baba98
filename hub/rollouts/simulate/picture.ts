// The result of a simulation as one SVG: how the rollouts ended under each judge, when, and how many devices were exposed.

import type { Ending } from './run.ts'
import { isStopped } from './summary.ts'

export type Series = { name: string; endings: readonly Ending[] }

const width = 720
const rowHeight = 44
const left = 132
const plotWidth = width - left - 24

const endings = [
  { word: 'completed', colour: '#2f8f5b', holds: ({ state }: Ending) => state === 'completed' },
  { word: 'stopped by a gate', colour: '#c8452f', holds: isStopped },
  { word: 'undecided', colour: '#b8860b', holds: ({ pausedBy }: Ending) => pausedBy === 'undecided' },
] as const

/** @param title what was simulated, one line
 *  @param devices of the fleet: the end of the lower axis */
export function pictureOf(title: string, series: readonly Series[], devices: number): string {
  const bars = series.map(({ name, endings }, i) => bar(name, endings, 64 + i * rowHeight))
  const top = 64 + series.length * rowHeight + 56
  const hoursMax = series.flatMap(({ endings }) => endings).reduce((most, { hours }) => Math.max(most, hours), 1)
  const clouds = series.map(({ name, endings }, i) => cloud(name, endings, { y: top + i * 96, hoursMax, devices }))
  const height = top + series.length * 96 + 36
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12">`,
    `<title>${escaped(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<text x="16" y="26" font-size="14" font-weight="600">${escaped(title)}</text>`,
    legend(46),
    ...bars,
    `<text x="16" y="${top - 22}" font-weight="600">When each rollout ended, and how many devices had run the new version</text>`,
    ...clouds,
    `<text x="${left}" y="${height - 14}" fill="#555">0 h</text>`,
    `<text x="${left + plotWidth}" y="${height - 14}" fill="#555" text-anchor="end">${Math.round(hoursMax)} h after the start</text>`,
    '</svg>',
    '',
  ].join('\n')
}

function legend(y: number): string {
  return endings
    .map(({ word, colour }, i) => {
      const x = left + i * 150
      return `<rect x="${x}" y="${y - 9}" width="10" height="10" fill="${colour}"/><text x="${x + 15}" y="${y}">${word}</text>`
    })
    .join('')
}

function bar(name: string, all: readonly Ending[], y: number): string {
  let x = left
  const parts = endings.map(({ word, colour, holds }) => {
    const share = all.length === 0 ? 0 : all.filter(holds).length / all.length
    const from = x
    x += share * plotWidth
    const text =
      share < 0.08 ? '' : `<text x="${fixed(from + 6)}" y="${y + 19}" fill="#fff">${(share * 100).toFixed(1)} %</text>`
    return `<rect x="${fixed(from)}" y="${y}" width="${fixed(share * plotWidth)}" height="28" fill="${colour}"><title>${word}: ${(share * 100).toFixed(1)} %</title></rect>${text}`
  })
  return `<text x="16" y="${y + 19}">${escaped(name)}</text><rect x="${left}" y="${y}" width="${plotWidth}" height="28" fill="#eee"/>${parts.join('')}`
}

const dotsMax = 1_000

function cloud(
  name: string,
  all: readonly Ending[],
  { y, hoursMax, devices }: { y: number; hoursMax: number; devices: number },
): string {
  const dots = all.slice(0, dotsMax).map((ending) => {
    const colour = endings.find(({ holds }) => holds(ending))?.colour ?? '#888'
    const cx = left + (ending.hours / hoursMax) * plotWidth
    const cy = y + 72 - (ending.exposed / devices) * 72
    return `<circle cx="${fixed(cx)}" cy="${fixed(cy)}" r="2" fill="${colour}" fill-opacity="0.45"/>`
  })
  return [
    `<text x="16" y="${y + 40}">${escaped(name)}</text>`,
    `<line x1="${left}" x2="${left + plotWidth}" y1="${y + 72}" y2="${y + 72}" stroke="#aaa"/>`,
    `<line x1="${left}" x2="${left}" y1="${y}" y2="${y + 72}" stroke="#aaa"/>`,
    `<text x="${left - 6}" y="${y + 8}" text-anchor="end" fill="#555">${devices}</text>`,
    `<text x="${left - 6}" y="${y + 74}" text-anchor="end" fill="#555">0</text>`,
    ...dots,
  ].join('')
}

const fixed = (value: number) => value.toFixed(1)

const escaped = (text: string) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
