import { useComputed, useSignalEffect } from '@preact/signals'
import type { VNode } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import type { Live } from '../model/live.ts'
import type { TimeFormat } from '../model/time-format.ts'

interface ChartProps {
  readonly live: Live
  readonly format: TimeFormat
}

const HEIGHT = 140

/** Shortest time span of the chart, in seconds. */
const MIN_SECONDS = 60

/** The number of users online over time, with a description for screen readers. */
export function Chart({ live, format }: ChartProps): VNode {
  const container = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(undefined)
  const description = useComputed(() => {
    const { history, online } = live.history.value
    const range = history.range
    if (!range) return 'Users online over time: no data yet.'
    return `Users online over time: ${online} now, between ${range.least} and ${range.most} since the page was opened.`
  })

  useEffect(() => {
    const element = container.current
    if (!element) return
    const chart = new uPlot(options(element, live.openedAt, format), [[], []], element)
    plot.current = chart
    const sizes = new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height: HEIGHT }))
    sizes.observe(element)
    // The style sheet has the colors of both schemes; the canvas must be drawn again for another scheme.
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
      <div ref={container} role="img" aria-label={description} />
    </section>
  )
}

function options(element: HTMLElement, openedAt: number, format: TimeFormat): uPlot.Options {
  const color = (name: string) => () => getComputedStyle(element).getPropertyValue(name)
  const font = `12px ${getComputedStyle(element).fontFamily}`
  const axis = {
    stroke: color('--quiet'),
    font,
    grid: { stroke: color('--line'), width: 1 },
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
        range: (_plot, from, to) => [from ?? opened, Math.max(to ?? opened, opened + MIN_SECONDS)],
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
        stroke: color('--online'),
        fill: color('--online-pale'),
        width: 2,
        points: { show: false },
        ...(uPlot.paths.stepped && { paths: uPlot.paths.stepped({ align: 1 }) }),
      },
    ],
  }
}

/** Distances of the grid lines: whole numbers only. */
const COUNTS = [0, 1, 2, 3, 4, 5, 6].flatMap(power => [1, 2, 5].map(digit => digit * 10 ** power))
