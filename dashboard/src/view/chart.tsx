import { useComputed, useSignalEffect } from '@preact/signals'
import type { VNode } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import type { Live } from '../model/live.ts'
import type { Times } from '../model/times.ts'

interface ChartProps {
  readonly live: Live
  readonly format: Times
}

const HEIGHT = 140

/** The least that the chart spans: a line that grows from nothing says nothing. */
const LEAST_SECONDS = 60

/** How many are online over time; in words for who can't see it. */
export function Chart({ live, format }: ChartProps): VNode {
  const place = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(undefined)
  const words = useComputed(() => {
    const { history, here } = live.history.value
    const range = history.range
    if (!range) return 'Users online over time: nothing is known yet.'
    return `Users online over time: ${here} now, at least ${range.least} and at most ${range.most} since the page was opened.`
  })

  useEffect(() => {
    const element = place.current
    if (!element) return
    const chart = new uPlot(options(element, live.openedAt, format), [[], []], element)
    plot.current = chart
    const sizes = new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height: HEIGHT }))
    sizes.observe(element)
    // The colours are those of the style sheet, which follow the reader's; a chart has to be told.
    const scheme = matchMedia('(prefers-color-scheme: dark)')
    const redraw = (): void => chart.redraw(false, true)
    scheme.addEventListener('change', redraw)
    return () => {
      scheme.removeEventListener('change', redraw)
      sizes.disconnect()
      chart.destroy()
    }
  }, [live, format])

  useSignalEffect(() => {
    const { history } = live.history.value
    plot.current?.setData([history.times, history.counts])
  })

  return (
    <section class="chart" aria-label="Online over time">
      <h2>Online over time</h2>
      <div ref={place} role="img" aria-label={words} />
    </section>
  )
}

function options(element: HTMLElement, openedAt: number, format: Times): uPlot.Options {
  const colour = (name: string) => () => getComputedStyle(element).getPropertyValue(name)
  const font = `12px ${getComputedStyle(element).fontFamily}`
  const axis = {
    stroke: colour('--quiet'),
    font,
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { show: false },
  }
  const opened = openedAt / 1_000
  return {
    width: element.clientWidth,
    height: HEIGHT,
    padding: [8, 40, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: {
      x: {
        time: true,
        range: (_plot, from, to) => [from ?? opened, Math.max(to ?? opened, opened + LEAST_SECONDS)],
      },
      y: { range: (_plot, _least, most) => [0, Math.max(4, Math.ceil((most ?? 0) * 1.1))] },
    },
    axes: [
      {
        ...axis,
        size: 24,
        space: 70,
        values: (_plot, splits) => splits.map(at => format.second(at * 1_000)),
      },
      {
        ...axis,
        size: 48,
        space: 22,
        incrs: COUNTS,
        values: (_plot, splits) => splits.map(count => count.toLocaleString()),
      },
    ],
    series: [
      {},
      {
        stroke: colour('--here'),
        fill: colour('--here-pale'),
        width: 2,
        points: { show: false },
        ...(uPlot.paths.stepped && { paths: uPlot.paths.stepped({ align: 1 }) }),
      },
    ],
  }
}

/** There is no half a user. */
const COUNTS = [0, 1, 2, 3, 4, 5, 6].flatMap(power => [1, 2, 5].map(digit => digit * 10 ** power))
