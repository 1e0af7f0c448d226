import { OLDER, ours } from './contenders/contenders.ts'
import { type Entry, type FigureName, type Result, ratios, type Spread, spread } from './figures.ts'
import { number, percent } from './goals.ts'
import { toText } from './table.ts'

/** What is reported as worse when `--fail-over` does not say otherwise. */
export const REPORTED_PERCENT = 5

/** The figures that are compared, with what is better. The shares of CPU are not: `cost` says the same per delivery. */
const figures: [FigureName, string, 'less' | 'more', (value: number) => string][] = [
  ['cost', '', 'less', number],
  ['p50', 'p50 ms', 'less', number],
  ['p99', 'p99 ms', 'less', number],
  ['bytes', 'bytes each', 'less', number],
  ['seconds', 'seconds', 'less', number],
  ['perSecond', '/s', 'more', number],
  ['carried', 'of the rate', 'more', percent],
]

/** What v2 merges: one delivery may stand for several changes, so that fewer of them a second are not worse. */
const MERGED = 'deliveries'

/** Fewer rounds show no spread. */
const ROUNDS_OF_A_SPREAD = 3

/** With more rounds than this the most extreme ones count no more. */
const ROUNDS_WITHOUT_OUTLIER = 5

/** One figure of ours beside that of the older build. */
export interface Comparison {
  readonly scenario: string
  readonly form: string
  readonly figure: string
  readonly ours: string
  readonly older: string
  /** Ours as a multiple of the older build's, within each round; `undefined` when no round has both. */
  readonly ratio: Spread | undefined
  /** `worse` and `better` only when the whole spread is beyond the limit. */
  readonly verdict: 'same' | 'worse' | 'better' | 'not measured'
}

/**
 * Compares every figure of a result. The spread of the ratios goes from the lowest to the highest round; from six
 * rounds on, the most extreme sixth at either end is left out. A figure is worse when even the best end of the
 * spread is worse than the older build's by more than `limitPercent`.
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
      // The figure that every form has is said to be missing; the others are not part of this form.
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
          verdict: judge(ratio, better, factor),
        },
      ]
    })
  })
}

function judge(ratio: Spread | undefined, better: 'less' | 'more', factor: number): Comparison['verdict'] {
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

/** The comparisons of a scenario for a terminal: a line for each figure, those that are worse last. */
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

/** A figure in one line. */
export function sentence({ scenario, form, figure, ratio }: Comparison): string {
  return `${scenario}, ${form}, ${figure}: ${ratio ? `${ratio.median.toFixed(3)} ×` : '–'}`
}

/** What came of the whole comparison. */
export function summary(worse: readonly string[], limitPercent: number, rounds: number): string {
  const verdict = worse.length === 0 ? 'Nothing is' : `${worse.length} of the figures are`
  return [
    '',
    `${verdict} worse by more than ${number(limitPercent)} % beyond the spread.`,
    ...worse,
    ...(rounds < ROUNDS_OF_A_SPREAD
      ? [`With fewer than ${ROUNDS_OF_A_SPREAD} rounds the spread says little.`]
      : []),
    '',
  ].join('\n')
}
