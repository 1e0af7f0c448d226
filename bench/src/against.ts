import { OLDER, ours } from './contenders/contenders.ts'
import { type Entry, type FigureName, type Result, ratios, type Spread, spread } from './figures.ts'
import { number, percent } from './goals.ts'
import { toText } from './table.ts'

/** The default limit: a figure that is worse by more than this is reported. */
export const REPORTED_PERCENT = 5

/**
 * The compared figures, and whether less or more is better. Shares of CPU are not compared: `cost` measures
 * the same per delivery.
 */
const figures: [FigureName, string, 'less' | 'more', (value: number) => string][] = [
  ['cost', '', 'less', number],
  ['p50', 'p50 ms', 'less', number],
  ['p99', 'p99 ms', 'less', number],
  ['bytes', 'bytes each', 'less', number],
  ['seconds', 'seconds', 'less', number],
  ['perSecond', '/s', 'more', number],
  ['carried', 'sent of planned', 'more', percent],
]

/** In v2 one delivery may contain several changes, so fewer deliveries per second are not worse. */
const MERGED = 'deliveries'

/** With fewer rounds, the spread is not meaningful. */
const ROUNDS_OF_A_SPREAD = 3

/** With more rounds than this, the most extreme ones are ignored. */
const ROUNDS_WITHOUT_OUTLIER = 5

/** One figure of our build compared with the older build. */
export interface Comparison {
  readonly scenario: string
  readonly form: string
  readonly figure: string
  readonly ours: string
  readonly older: string
  /** Our figure as a multiple of the older one, within each round; `undefined` if no round has both. */
  readonly ratio: Spread | undefined
  /** `worse` and `better` only if the whole spread is beyond the limit. */
  readonly verdict: 'same' | 'worse' | 'better' | 'not measured'
}

/**
 * Compares every figure of a result. The spread of the ratios is from the lowest to the highest round; with
 * six or more rounds, the most extreme sixth at each end is ignored. A figure is worse if even the best end
 * of the spread is worse than the older build by more than `limitPercent`.
 */
export function compareBuilds(result: Result, limitPercent: number): Comparison[] {
  const factor = 1 + limitPercent / 100
  return result.forms.flatMap(({ name, unit, counted = 'messages', costOnly = false, entries }) => {
    const entry = (contender: string): Entry | undefined =>
      entries.find(candidate => candidate.contender === contender)
    const [mine, theirs] = [entry(ours.name), entry(OLDER)]
    return figures.flatMap(([figure, title, better, show]): Comparison[] => {
      if (costOnly && figure !== 'cost') return []
      if (figure === 'perSecond' && counted === MERGED) return []
      const [here, there] = [spread(mine, figure), spread(theirs, figure)]
      // Every form has `cost`, so it is reported as missing. Other figures may not be part of this form.
      if (!here && !there && figure !== 'cost') return []
      const ratio = trimmed(ratios(mine, theirs, figure))
      return [
        {
          scenario: result.scenario,
          form: name,
          figure: figure === 'cost' ? unit : title === '/s' ? `${counted}/s` : title,
          ours: here ? show(here.median) : '–',
          older: there ? show(there.median) : '–',
          ratio,
          verdict: checkGoal(ratio, better, factor),
        },
      ]
    })
  })
}

function checkGoal(
  ratio: Spread | undefined,
  better: 'less' | 'more',
  factor: number,
): Comparison['verdict'] {
  if (!ratio) return 'not measured'
  const [isAbove, isBelow] = [ratio.min > factor, ratio.max < 1 / factor]
  if (!isAbove && !isBelow) return 'same'
  return isAbove === (better === 'less') ? 'worse' : 'better'
}

function trimmed(values: readonly number[]): Spread | undefined {
  const sorted = values.toSorted((a, b) => a - b)
  const cut = sorted.length > ROUNDS_WITHOUT_OUTLIER ? Math.floor(sorted.length / 6) : 0
  const [min, max] = [sorted[cut], sorted.at(-1 - cut)]
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]]
  if (min === undefined || max === undefined || low === undefined || high === undefined) return undefined
  return { median: (low + high) / 2, min, max }
}

/** The comparisons of a scenario as text: a line per figure, worse ones last. */
export function printComparisons(
  { title, forms, problems, notes }: Result,
  comparisons: readonly Comparison[],
): string {
  const lines = [`\n${title}`]
  for (const form of forms) {
    const head = ['', 'ours', OLDER, `ours ÷ ${OLDER}`, 'spread', '']
    const rows = comparisons
      .filter(comparison => comparison.form === form.name)
      .map(({ figure, ours: mine, older, ratio, verdict }) => [
        figure,
        mine,
        older,
        ratio ? ratio.median.toFixed(3) : '–',
        ratio ? `${ratio.min.toFixed(3)}–${ratio.max.toFixed(3)}` : '–',
        verdict === 'same' ? '' : verdict,
      ])
    lines.push('', form.title, toText([head, ...rows]))
  }
  lines.push(...problems.map(problem => `INVALID  ${problem}`), ...notes.map(note => `note     ${note}`))
  return [...lines, ''].join('\n')
}

/** A comparison in one line. */
export function sentence({ scenario, form, figure, ratio }: Comparison): string {
  return `${scenario}, ${form}, ${figure}: ${ratio ? `${ratio.median.toFixed(3)} ×` : '–'}`
}

/** The summary of the whole comparison. */
export function summary(worse: readonly string[], limitPercent: number, rounds: number): string {
  const verdict = worse.length === 0 ? 'Nothing is' : `${worse.length} of the figures are`
  return [
    '',
    `${verdict} worse by more than ${number(limitPercent)} % beyond the spread.`,
    ...worse,
    ...(rounds < ROUNDS_OF_A_SPREAD
      ? [`With fewer than ${ROUNDS_OF_A_SPREAD} rounds the spread is not meaningful.`]
      : []),
    '',
  ].join('\n')
}
