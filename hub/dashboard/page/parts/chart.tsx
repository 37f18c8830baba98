// A chart, drawn by ECharts in the colours of the theme. Whoever cannot see it reads `label`, which says what it shows.

import type { ECharts, EChartsCoreOption } from 'echarts/core'
import { useEffect, useRef, useState } from 'preact/hooks'
import { Loading } from './loading.tsx'

/** The theme's colours as a canvas needs them. */
export type Palette = Record<
  'surface' | 'line' | 'text' | 'quiet' | 'accent' | 'good' | 'warn' | 'bad' | 'idle' | 'busy',
  string
> & {
  /** For series that stand side by side: told apart in both themes, by the colour-blind too. */
  series: string[]
}

export type ChartProps = {
  /** What the chart shows, as a sentence: it takes the place of the picture for who cannot see it. */
  label: string
  /** ECharts' option; a new function draws anew. Tooltips are drawn on the canvas (the policy allows no inline style). */
  option: (palette: Palette) => EChartsCoreOption
  /** CSS pixels. */
  height?: number
  onClick?: (item: { seriesIndex: number; dataIndex: number; data: unknown; name: string }) => void
}

export function Chart({ label, option, height = 240, onClick }: ChartProps) {
  const place = useRef<HTMLDivElement>(null)
  const [chart, setChart] = useState<ECharts>()
  const theme = useShownTheme()
  const latest = useRef(onClick)
  latest.current = onClick
  useEffect(() => {
    let isGone = false
    let made: ECharts | undefined
    let sized: ResizeObserver | undefined
    void import('./echarts.ts').then(({ init }) => {
      const element = place.current
      if (isGone || element === null) return
      made = init(element, undefined, { renderer: 'canvas' })
      sized = new ResizeObserver(() => made?.resize())
      sized.observe(element)
      made.on('click', ({ seriesIndex = 0, dataIndex, data, name }) =>
        latest.current?.({ seriesIndex, dataIndex, data, name }),
      )
      setChart(made)
    })
    return () => {
      isGone = true
      sized?.disconnect()
      made?.dispose()
    }
  }, [])
  useEffect(() => {
    if (chart === undefined || chart.isDisposed()) return
    const palette = paletteNow()
    chart.setOption({ ...frame(palette), ...option(palette) }, { notMerge: true })
  }, [chart, option, theme])
  useEffect(() => {
    if (place.current !== null) place.current.style.height = `${height}px`
    chart?.resize()
  }, [chart, height])
  return (
    <div class="chart">
      <div ref={place} role="img" aria-label={label} />
      {chart === undefined && <Loading rows={2} what="The chart is loading" />}
    </div>
  )
}

/** What all charts have in common; an option's own parts take its place. */
function frame(palette: Palette): EChartsCoreOption {
  return {
    color: palette.series,
    textStyle: { color: palette.text, fontFamily: 'system-ui, sans-serif' },
    animation: !matchMedia('(prefers-reduced-motion: reduce)').matches,
    animationDuration: 200,
    tooltip: tooltip(palette),
  }
}

/** For charts that need more of the tooltip: `tooltip: { ...tooltip(palette), trigger: 'axis' }`. */
export const tooltip = (palette: Palette) => ({
  renderMode: 'richText',
  backgroundColor: palette.surface,
  borderColor: palette.line,
  textStyle: { color: palette.text, fontSize: 13 },
  confine: true,
})

/** The look of an axis: `xAxis: { ...axis(palette), type: 'value' }`. */
export const axis = (palette: Palette) => ({
  axisLine: { lineStyle: { color: palette.line } },
  axisTick: { lineStyle: { color: palette.line } },
  axisLabel: { color: palette.quiet, fontSize: 12 },
  splitLine: { lineStyle: { color: palette.line } },
  nameTextStyle: { color: palette.quiet, fontSize: 12 },
})

const names = ['surface', 'line', 'text', 'quiet', 'accent', 'good', 'warn', 'bad', 'idle', 'busy'] as const
// Okabe and Ito's colours (Color Universal Design, 2008) but for their yellow and black, which one of the themes swallows
const series = ['#0072b2', '#e69f00', '#009e73', '#d55e00', '#56b4e9', '#cc79a7']

function paletteNow(): Palette {
  // a property holds the colours of both themes; which one counts is known where it is used
  const used = document.createElement('i')
  document.body.append(used)
  const colours = names.map((name) => {
    used.style.color = `var(--${name})`
    return [name, getComputedStyle(used).color]
  })
  used.remove()
  return { ...(Object.fromEntries(colours) as Record<(typeof names)[number], string>), series }
}

/** Changes whenever another theme is shown, chosen here or by the system. */
function useShownTheme(): string {
  const [shown, setShown] = useState(shownTheme)
  useEffect(() => {
    const look = () => setShown(shownTheme())
    const dark = matchMedia('(prefers-color-scheme: dark)')
    dark.addEventListener('change', look)
    const chosen = new MutationObserver(look)
    chosen.observe(document.documentElement, { attributeFilter: ['data-theme'] })
    return () => {
      dark.removeEventListener('change', look)
      chosen.disconnect()
    }
  }, [])
  return shown
}

const shownTheme = (): string =>
  document.documentElement.dataset.theme ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')
