// Where each device's dot stands: a row of cells a stage, one cell for each place on the way, dots in the order of the line.
// Pure, so that a dot moves only because its device did.

import { type Place, placeOf, places } from './words.ts'

export type Member = { device: string; stage: string; servesFrom: string; role: 'primary' | 'shadow'; state: string }
export type Dot = { device: string; state: string; place: Place; x: number; y: number }
export type DotRow = { stage: string; heightPx: number; dots: Dot[] }
export type DotField = { radiusPx: number; rows: DotRow[] }

/** More devices than that are not asked for one by one. */
export const dotsMax = 800

/** Dots this far apart while they fit into so many rows; the closer ones where they do not. */
const grids = [
  { pitchPx: 16, rowsMax: 6, radiusPx: 6 },
  { pitchPx: 11, rowsMax: 14, radiusPx: 4.5 },
] as const

/** Those that are always shown, and those that some device is at. */
export const placesShown = (counts: ReadonlyMap<Place, number>): Place[] =>
  places.filter((place) => (place !== 'shadow' && place !== 'out') || (counts.get(place) ?? 0) > 0)

/** The stage in which a device is shown: that it serves from once it has been offered it to answer, else its first. */
export const stageOf = ({ stage, servesFrom, role, state }: Member): string =>
  role === 'primary' && placeOf(state) !== 'waiting' ? servesFrom : stage

/** Undefined where a cell would be too full: then counts say it better.
 *  @param members in the order of the line
 *  @param cellPx width of a cell */
export function dotField(
  members: readonly Member[],
  stages: readonly string[],
  shown: readonly Place[],
  cellPx: number,
): DotField | undefined {
  const cells = Map.groupBy(members, (member) => `${stageOf(member)}\n${placeOf(member.state)}`)
  const fullest = Math.max(0, ...[...cells.values()].map(({ length }) => length))
  const columnsOf = (pitchPx: number) => Math.floor((cellPx - pitchPx / 2) / pitchPx)
  const grid = grids.find(({ pitchPx, rowsMax }) => columnsOf(pitchPx) * rowsMax >= fullest)
  if (grid === undefined) return undefined
  const { pitchPx, radiusPx } = grid
  const columns = Math.max(1, columnsOf(pitchPx))
  const rows = stages.map((stage): DotRow => {
    const dots = shown.flatMap((place, cell) =>
      (cells.get(`${stage}\n${place}`) ?? []).map(
        ({ device, state }, i): Dot => ({
          device,
          state,
          place,
          x: cell * cellPx + pitchPx * ((i % columns) + 0.5),
          y: pitchPx * (Math.floor(i / columns) + 0.5),
        }),
      ),
    )
    const lowest = Math.max(0, ...dots.map(({ y }) => y))
    return { stage, heightPx: Math.max(pitchPx, lowest + pitchPx / 2), dots }
  })
  return { radiusPx, rows }
}
