import { useComputed, useSignal, useSignalEffect } from '@preact/signals'
import type { VNode } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import { rangeOf } from '../model/history.ts'
import type { Live } from '../model/live.ts'
import type { TimeFormat } from '../model/time-format.ts'
import { isUpToDate } from '../model/trust.ts'
import { chartOptions, HEIGHT } from './chart-options.ts'

interface ChartProps {
  readonly live: Live
  readonly format: TimeFormat
}

/** The number of users online, now and in the last 24 hours, with a description for screen readers. */
export function Chart({ live, format }: ChartProps): VNode {
  const hovered = useSignal<number | undefined>(undefined)
  const online = useComputed(() => (live.list.value.isKnown ? live.list.value.online.toLocaleString() : '–'))
  const were = useComputed(() => (isUpToDate(live.trust.value) ? 'online' : 'were online'))
  return (
    <section class="chart" aria-label="Online over time">
      <div class="bar">
        <h2 title="Users who are online, away or busy">
          <b class="total">{online}</b> {were}
        </h2>
        <Readout live={live} format={format} hovered={hovered} />
      </div>
      <Plot live={live} format={format} hovered={hovered} />
    </section>
  )
}

type Hovered = { readonly hovered: { value: number | undefined } }

/** The number under the pointer, or else the largest one. */
function Readout({ live, format, hovered }: ChartProps & Hovered): VNode {
  const { times, counts } = live.history.value
  const index = hovered.value
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
  return (
    <p class="readout" title="The largest number in the last 24 hours">
      {range ? (
        <>
          24 h peak <b class="count">{range.most.toLocaleString()}</b>
        </>
      ) : (
        '–'
      )}
    </p>
  )
}

function Plot({ live, format, hovered }: ChartProps & Hovered): VNode {
  const container = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot>(undefined)
  const description = useComputed(() => {
    const range = rangeOf(live.history.value)
    if (!range) return 'Users online in the last 24 hours: no data yet.'
    return `Users online in the last 24 hours: between ${range.least} and ${range.most}.`
  })

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
    return () => {
      scheme.removeEventListener('change', redraw)
      sizes.disconnect()
      plot.current?.destroy()
    }
  }, [])

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
    plot.current.setData([times, counts])
  })

  return <div class="plot" ref={container} role="img" aria-label={description} />
}
