import { type Result, spread } from './figures.ts'
import { number } from './goals.ts'

type FormResult = Result['forms'][number]

/** Sizes in px. */
const WIDTH = 780
const MARGIN = 16
const NAME = 224
const VALUE = 64
const LONGEST = WIDTH - 2 * MARGIN - NAME - VALUE
const ROW = 24
const BAR = 16
const HEAD = 44
const GAP = 12

/** A panel with fewer bars compares nothing. */
const FEWEST = 2

/**
 * Contenders as readers know them. The picture may be shown without this page, so the product has its full
 * name in it.
 */
const LABELS: Readonly<Record<string, string>> = {
  ours: 'Who Is Online',
  'ours, v1': 'Who Is Online, protocol v1',
  'ours, off': 'Who Is Online, uncompressed',
  firehose: 'Who Is Online, protocol v1',
  periodic: 'Who Is Online, saving',
  'on demand': 'Who Is Online, on demand',
  control: 'the same without saving',
  floor: 'floor: Node.js at best',
  ws: 'own code on ws',
  alone: 'without these calls',
}

// The background is part of the picture: the text is readable on a dark page too if the system prefers light.
const STYLE = `
text { font: 13px system-ui, sans-serif; fill: #1b1f24 }
.ground { fill: #ffffff; stroke: #d1d9e0 }
.title { font-weight: 600 }
.name.ours { font-weight: 600 }
.unit, .value { fill: #57606a }
.bar { fill: #8c959f }
.bar.ours { fill: #1a7f37 }
.spread { stroke: #1b1f24 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .ground { fill: #0d1117; stroke: #3d444d }
  .unit, .value { fill: #9198a1 }
  .bar { fill: #656c76 }
  .bar.ours { fill: #3fb950 }
  .spread { stroke: #e6edf3 }
}
`

/**
 * A picture of what a scenario cost each contender: a bar for the median, and a line from the lowest to the
 * highest round, to scale from zero. Returns an SVG document for light and dark pages, or undefined if the
 * result compares nothing.
 */
export function plot({ title, forms }: Result): string | undefined {
  const panels: string[] = []
  let y = GAP
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
    `<rect class="ground" x="0.5" y="0.5" width="${WIDTH - 1}" height="${y - 1}" rx="6"/>`,
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
    const label = LABELS[name] ?? name
    const ours = label.startsWith('Who Is Online') ? ' ours' : ''
    return [
      text(MARGIN, y + BAR - 3, label, `name${ours}`),
      `<rect class="bar${ours}" x="${x(0)}" y="${y}" width="${round(x(median) - x(0))}" height="${BAR}"/>`,
      `<path class="spread" d="M${round(x(min))} ${middle}H${round(x(max))}"/>`,
      text(round(x(max)) + 8, y + BAR - 3, number(median), 'value'),
    ].join('')
  })
  return [
    text(MARGIN, top + 18, title.replaceAll('`', ''), 'title'),
    text(MARGIN, top + 34, unit, 'unit'),
    ...rows,
  ].join('\n')
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
