import { type Entry, type FigureName, type Result, ratio, type Spread, spread } from './figures.ts'
import { number, percent } from './goals.ts'

/** A table of texts; the first row is the header. */
type Table = string[][]

type FormResult = Result['forms'][number]

/** A column title that starts with what the form counts. */
const COUNTED_PER_SECOND = '/s'

/** The columns after `cost`. A column without values is left out. */
const columns: [FigureName, string, (value: number) => string][] = [
  ['perDelivery', 'CPU s per million deliveries', number],
  ['perSecond', COUNTED_PER_SECOND, number],
  ['framesPerSecond', 'frames/s', number],
  ['perFrame', 'per frame', number],
  ['bytes', 'bytes each', number],
  ['carried', 'sent of planned', percent],
  ['seconds', 'seconds', number],
  ['p50', 'p50 ms', number],
  ['p99', 'p99 ms', number],
  ['p50Elsewhere', 'p50 ms on other nodes', number],
  ['p99Elsewhere', 'p99 ms on other nodes', number],
  ['otherCost', 'each other node', number],
  ['redisCost', 'Redis', number],
  ['allCost', 'all', number],
  ['commands', 'commands/s', number],
  ['executed', 'with those of scripts/s', number],
  ['entries', 'entries/s', number],
  ['server', 'server CPU', percent],
  ['load', 'load CPU', percent],
]

/**
 * The contenders of a form: medians, the spread of the cost in parentheses, and ratios to ours within each
 * round.
 */
export function contenderTable({ unit, counted = 'messages', entries }: FormResult): Table {
  const base = entries.find(entry => entry.contender === 'ours' && spread(entry, 'cost')) ?? entries[0]
  const shown = columns.filter(([name]) => entries.some(entry => spread(entry, name)))
  const head = [
    '',
    unit,
    `× ${base?.contender}`,
    ...shown.map(([, title]) => (title === COUNTED_PER_SECOND ? counted + title : title)),
  ]
  const rows = entries.map(entry => [
    entry.contender,
    cost(entry),
    cell(ratio(entry, base, 'cost'), number),
    ...shown.map(([name, , show]) => cell(spread(entry, name), show)),
  ])
  return [head, ...rows]
}

export function goalTable({ goals }: FormResult): Table {
  return [['goal', 'measured', ''], ...goals.map(({ goal, measured, verdict }) => [goal, measured, verdict])]
}

function cost(entry: Entry): string {
  const invalid = entry.rounds.filter(run => !run || run.invalid.length > 0).length
  const figure = spread(entry, 'cost')
  const text = figure
    ? `${number(figure.median)} (${number(figure.min)}–${number(figure.max)})`
    : 'not measured'
  return invalid > 0 ? `${text}, ${invalid} of ${entry.rounds.length} rounds INVALID` : text
}

function cell(figure: Spread | undefined, show: (value: number) => string): string {
  return figure ? show(figure.median) : '–'
}

/** The table as text with aligned columns. */
export function toText(table: Table): string {
  const widths = (table[0] ?? []).map((_, column) => Math.max(...table.map(row => row[column]?.length ?? 0)))
  return table
    .map(row =>
      row
        .map((text, column) => text.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

export function toMarkdown([head = [], ...rows]: Table): string {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}
