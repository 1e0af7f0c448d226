import type uPlot from 'uplot'
import type { TimeFormat } from '../model/time-format.ts'

/** The height of the chart in pixels, the same as in style.css. */
export const HEIGHT = 124

/** Shortest time span of the chart, in seconds. */
const MIN_SECONDS = 600

/** The part of the time span that the last number gets as its width. Otherwise its step would have none. */
const LAST_PART = 0.02

/** The radius of the dot at the current number, in pixels. */
const DOT_PX = 3.5

const FONT_PX = 11

/** The width of a time as a label, in pixels. */
const LABEL_PX = 50

/** Distances of the grid lines of the count: whole numbers only. */
const COUNTS = [0, 1, 2, 3, 4, 5, 6].flatMap(power => [1, 2, 5].map(digit => digit * 10 ** power))

/** Distances of the labels of the time, in seconds: they fall on full minutes and hours. */
const TIMES = [1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360, 720].map(minutes => minutes * 60)

/**
 * The look of the chart. Its scales never depend on the data alone, so that it has whole axes with one number, with a
 * constant one and with unknown ones.
 *
 * @param element has the colors and the font
 * @param hovered gets the index of the point under the pointer
 */
export function chartOptions(
  element: HTMLElement,
  format: TimeFormat,
  paths: uPlot.Series.PathBuilder | undefined,
  hovered: (index: number | undefined) => void,
): uPlot.Options {
  const color = (name: string) => () => getComputedStyle(element).getPropertyValue(name)
  const font = `${FONT_PX}px ${getComputedStyle(element).fontFamily}`
  const axis = { stroke: color('--quiet'), font, ticks: { show: false } }
  return {
    width: element.clientWidth,
    height: HEIGHT,
    padding: [10, 12, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
    hooks: {
      setCursor: [plot => hovered(plot.cursor.idx ?? undefined)],
      draw: [plot => drawLast(plot, color('--online')(), color('--sheet')())],
    },
    scales: {
      x: { time: true, range: (_plot, from, to) => timeRange(from, to) },
      y: { range: (_plot, _least, most) => [0, topOf(most)] },
    },
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: 22,
        gap: 4,
        space: 64,
        incrs: TIMES,
        values: (plot, splits) => {
          const end = plot.bbox.width / devicePixelRatio - LABEL_PX / 2
          // A label at the end of the axis would be cut off.
          return splits.map(at => (plot.valToPos(at, 'x') > end ? '' : format.tick(at * 1_000)))
        },
      },
      {
        ...axis,
        grid: { stroke: color('--line'), width: 1 },
        size: (_plot, values) =>
          14 + Math.max(1, ...(values ?? []).map(text => text.length)) * FONT_PX * 0.66,
        gap: 6,
        space: 26,
        incrs: COUNTS,
        values: (_plot, splits) => splits.map(count => count.toLocaleString()),
      },
    ],
    series: [
      {},
      {
        stroke: color('--online'),
        fill: color('--online-pale'),
        width: 1.5,
        points: { show: false },
        ...(paths && { paths }),
      },
    ],
  }
}

/** The data of the plot: the last number, if it is known, has a width. */
export function withWidth(times: number[], counts: (number | null)[]): [number[], (number | null)[]] {
  const [from, to] = timeRange(times[0] ?? null, times.at(-1) ?? null)
  const last = counts.at(-1) ?? null
  if (last === null) return [times, counts]
  return [
    [...times, to + LAST_PART * (to - from)],
    [...counts, last],
  ]
}

/** Draws a dot at the last known number. */
function drawLast(plot: uPlot, color: string, ring: string): void {
  const [times, counts] = plot.data
  const index = counts?.findLastIndex(count => count !== null) ?? -1
  const [time, count] = [times[index], counts?.[index]]
  if (time === undefined || count === undefined || count === null) return
  const { ctx } = plot
  ctx.save()
  ctx.beginPath()
  ctx.arc(
    plot.valToPos(time, 'x', true),
    plot.valToPos(count, 'y', true),
    DOT_PX * devicePixelRatio,
    0,
    2 * Math.PI,
  )
  ctx.fillStyle = color
  ctx.strokeStyle = ring
  ctx.lineWidth = 2 * devicePixelRatio
  ctx.stroke()
  ctx.fill()
  ctx.restore()
}

/** The time span that the chart shows: all data, and never less than {@link MIN_SECONDS}. In seconds. */
export function timeRange(from: number | null, to: number | null): [number, number] {
  const end = to ?? MIN_SECONDS
  return [Math.min(from ?? end, end - MIN_SECONDS), end]
}

/** The top of the scale of counts: a multiple of a round number, above the largest number, and at least 4. */
export function topOf(most: number | null): number {
  const room = (most ?? 0) * 1.05
  const step = COUNTS.find(step => step * 4 >= room) ?? room / 4
  return Math.max(4, Math.ceil(room / step) * step)
}
