import { type Result, spread } from './figures.ts'
import { number } from './goals.ts'

type FormResult = Result['forms'][number]

/** In px. */
const WIDTH = 720
const MARGIN = 16
const NAME = 96
const VALUE = 120
const LONGEST = WIDTH - 2 * MARGIN - NAME - VALUE
const ROW = 24
const BAR = 16
const HEAD = 44
const GAP = 12

/** Fewer are no comparison. */
const FEWEST = 2

const STYLE = `
text { font: 13px system-ui, sans-serif; fill: #1b1f24 }
.title { font-weight: 600 }
.unit, .value { fill: #57606a }
.bar { fill: #8c959f }
.ours { fill: #1a7f37 }
.spread { stroke: #57606a }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .unit, .value { fill: #9198a1 }
  .ours { fill: #3fb950 }
  .spread { stroke: #9198a1 }
}
`

/**
 * A picture of what a scenario cost each contender: a bar for the median and a line from the least to the most, drawn to
 * scale from zero. An SVG document that is read by light and by dark; undefined where nothing is compared.
 */
export function plot({ title, forms }: Result): string | undefined {
  const panels: string[] = []
  let y = 0
  for (const form of forms) {
    const bars = barsOf(form)
    if (bars.length < FEWEST) continue
    panels.push(panel(form, bars, y))
    y += HEAD + bars.length * ROW + GAP
  }
  if (panels.length === 0) return undefined
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}">`,
    `<title>${escaped(title)}</title>`,
    `<style>${STYLE}</style>`,
    ...panels,
    '</svg>\n',
  ].join('\n')
}

interface Bar {
  readonly name: string
  readonly median: number
  readonly min: number
  readonly max: number
}

function barsOf({ entries }: FormResult): Bar[] {
  return entries.flatMap(entry => {
    const figure = spread(entry, 'cost')
    return figure ? [{ name: entry.contender, ...figure }] : []
  })
}

function panel({ title, unit }: FormResult, bars: readonly Bar[], top: number): string {
  const most = Math.max(...bars.map(({ max }) => max))
  const x = (value: number) => MARGIN + NAME + (value / most) * LONGEST
  const rows = bars.map(({ name, median, min, max }, row) => {
    const y = top + HEAD + row * ROW
    const middle = y + BAR / 2
    return [
      text(MARGIN, y + BAR - 3, name),
      `<rect class="bar${name === 'ours' ? ' ours' : ''}" x="${x(0)}" y="${y}" width="${round(x(median) - x(0))}" height="${BAR}"/>`,
      `<path class="spread" d="M${round(x(min))} ${middle}H${round(x(max))}"/>`,
      text(round(x(max)) + 8, y + BAR - 3, number(median), 'value'),
    ].join('')
  })
  return [text(MARGIN, top + 18, title, 'title'), text(MARGIN, top + 34, unit, 'unit'), ...rows].join('\n')
}

function text(x: number, y: number, content: string, style?: string): string {
  return `<text x="${x}" y="${y}"${style ? ` class="${style}"` : ''}>${escaped(content)}</text>`
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
