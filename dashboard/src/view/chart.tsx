import { useComputed, useSignal, useSignalEffect } from '@preact/signals'
import type { VNode } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { type Columns, RANGE_SECONDS, type Range, rangeOf } from '../model/history.ts'
import type { Live } from '../model/live.ts'
import type { TimeFormat } from '../model/time-format.ts'
import { isUpToDate } from '../model/trust.ts'
import { chartOptions, HEIGHT, withWidth } from './chart-options.ts'

interface ChartProps {
  readonly live: Live
  readonly format: TimeFormat
}

/** The ranges in the order of their buttons. */
const RANGES: readonly Range[] = ['hour', 'day']

const LABELS: Readonly<Record<Range, { readonly short: string; readonly last: string }>> = {
  hour: { short: '1 h', last: 'last hour' },
  day: { short: '24 h', last: 'last 24 hours' },
}

/** Data that covers this part of a range is all of it: the server has one number a minute. */
const WHOLE = 0.95

/** Data of less time, in seconds, is no line yet. */
const MIN_SECONDS = 60

/** The number of users online, now and over time, with a description for screen readers. */
export function Chart({ live, format }: ChartProps): VNode {
  const hovered = useSignal<number | undefined>(undefined)
  const online = useComputed(() => (live.list.value.isKnown ? live.list.value.online.toLocaleString() : '–'))
  const were = useComputed(() => (isUpToDate(live.trust.value) ? 'online' : 'were online'))
  const including = useComputed(() => {
    const { isKnown, counts } = live.list.value
    const [away, busy] = [counts.away, counts.busy].map(count => (isKnown ? count.toLocaleString() : '–'))
    return `including ${away} away, ${busy} busy`
  })
  return (
    <section class="chart" aria-label="Online over time">
      <div class="headline">
        <h2>
          <b class="total">{online}</b> {were}
        </h2>
        <Readout live={live} format={format} hovered={hovered} />
        <p class="including">{including}</p>
      </div>
      <div class="plot-head">
        <Title live={live} format={format} />
        <RangeChoice live={live} />
      </div>
      <Plot live={live} format={format} hovered={hovered} />
    </section>
  )
}

/** What the chart shows. Data that begins later than the range is not called the whole range. */
function Title({ live, format }: ChartProps): VNode {
  const title = useComputed(() => {
    const range = live.range.value
    const { first, last } = endsOf(live.history.value)
    const isWhole = first === undefined || last - first >= WHOLE * RANGE_SECONDS[range]
    return `Online${isWhole ? `, ${LABELS[range].last}` : ` since ${format.clock(first * 1_000, last * 1_000)}`}`
  })
  return <h3>{title}</h3>
}

function RangeChoice({ live }: Pick<ChartProps, 'live'>): VNode {
  return (
    <div class="ranges" role="group" aria-label="Time of the chart">
      {RANGES.map(range => (
        <button
          key={range}
          type="button"
          aria-pressed={range === live.range.value}
          title={`Show the ${LABELS[range].last}`}
          onClick={() => live.showRange(range)}
        >
          {LABELS[range].short}
        </button>
      ))}
    </div>
  )
}

type Hovered = { readonly hovered: { value: number | undefined } }

/** The number under the pointer, or else the largest one. */
function Readout({ live, format, hovered }: ChartProps & Hovered): VNode {
  const { times, counts } = live.history.value
  // The plot has one point more, which gives the last number its width.
  const index = hovered.value === undefined ? undefined : Math.min(hovered.value, times.length - 1)
  const time = index === undefined ? undefined : times[index]
  if (index !== undefined && time !== undefined) {
    const count = counts[index]
    return (
      <p class="readout">
        <b class="count">{count?.toLocaleString() ?? 'unknown'}</b> at{' '}
        {format.clock(time * 1_000, live.now.value)}
      </p>
    )
  }
  const range = rangeOf(live.history.value)
  const { short, last } = LABELS[live.range.value]
  return (
    <p class="readout" title={`The largest number in the ${last}`}>
      {short} peak <b class="count">{range ? range.most.toLocaleString() : '–'}</b>
    </p>
  )
}

function Plot({ live, format, hovered }: ChartProps & Hovered): VNode {
  const container = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(undefined)
  const description = useComputed(() => {
    const range = rangeOf(live.history.value)
    const { last } = LABELS[live.range.value]
    if (!range) return `Users online in the ${last}: no data yet.`
    return `Users online in the ${last}: between ${range.least} and ${range.most}.`
  })
  const nothing = useComputed(() => whyNoLine(live.history.value, format))

  useEffect(() => {
    const element = container.current
    if (!element) return
    const sizes = new ResizeObserver(() =>
      plot.current?.setSize({ width: element.clientWidth, height: HEIGHT }),
    )
    sizes.observe(element)
    // The style sheet has the colors of both schemes; the canvas must be drawn again for another scheme.
    const scheme = matchMedia('(prefers-color-scheme: dark)')
    const redraw = (): void => plot.current?.redraw(false, true)
    scheme.addEventListener('change', redraw)
    // It has others for outdated data too, as soon as the page has its new state.
    const unsubscribe = live.trust.subscribe(() => requestAnimationFrame(redraw))
    return () => {
      unsubscribe()
      scheme.removeEventListener('change', redraw)
      sizes.disconnect()
      plot.current?.destroy()
    }
  }, [live])

  useSignalEffect(() => {
    const { times, counts } = live.history.value
    const element = container.current
    // Without data there is nothing that axes could show.
    if (!element || times.length === 0) return
    plot.current ??= new uPlot(
      chartOptions(element, format, uPlot.paths.stepped?.({ align: 1 }), index => {
        hovered.value = index
      }),
      [[], []],
      element,
    )
    plot.current.setData(withWidth(times, counts))
  })

  return (
    <div class="plot" data-empty={nothing.value !== undefined}>
      <div class="canvas" ref={container} role="img" aria-label={description} />
      {nothing.value && <p class="empty">{nothing}</p>}
    </div>
  )
}

/** Why there is no line to draw, as a sentence; `undefined` if there is one. */
function whyNoLine(columns: Columns, format: TimeFormat): string | undefined {
  const { first, last } = endsOf(columns)
  if (first === undefined) return 'No numbers yet.'
  const since = format.clock(first * 1_000, last * 1_000)
  if (last - first < MIN_SECONDS) return `Collecting numbers since ${since}.`
  return rangeOf(columns)?.most === 0 ? `No user has been online since ${since}.` : undefined
}

function endsOf({ times }: Columns): { readonly first: number | undefined; readonly last: number } {
  return { first: times[0], last: times.at(-1) ?? 0 }
}
