import { type Entry, type FigureName, ratio, spread, type Verdict } from './figures.ts'

/** A goal of performance.md in one form. */
export interface Goal {
  form: string
  /** Whose figure it is, if it is not that of our build. */
  of?: string
  figure: 'cost' | 'bytes' | 'p99' | 'p99Elsewhere' | 'seconds' | 'commands'
  /** The maximum: a multiple of another contender's figure, or a value in the unit of the figure. */
  atMost: { times: number; than: string } | { value: number; unit: string }
}

export const OURS = 'ours'

/** How a goal names its figure. */
const NAMES = {
  cost: '',
  bytes: 'bytes ',
  p99: 'p99 ',
  p99Elsewhere: 'p99 on other nodes ',
  seconds: 'seconds ',
  commands: 'commands ',
}

/** Compares a goal with the entries of its form. */
export function checkGoal(goal: Goal, entries: Entry[]): Verdict {
  const { of = OURS, figure, atMost } = goal
  const ours = entries.find(entry => entry.contender === of)
  const what = `${of === OURS ? '' : `${of}: `}${NAMES[figure]}`
  if ('value' in atMost) {
    const measured = spread(ours, figure)?.median
    return verdict(
      `${what}≤ ${atMost.value} ${atMost.unit}`,
      measured,
      atMost.value,
      value => `${number(value)} ${atMost.unit}`,
    )
  }
  const than = entries.find(entry => entry.contender === atMost.than)
  const measured = ratio(ours, than, figure satisfies FigureName)?.median
  return verdict(
    `${what}≤ ${times(atMost.times)} ${atMost.than}`,
    measured,
    atMost.times,
    value => `${times(value)} ${atMost.than}`,
  )
}

/** Compares a figure with its limit, both in the same unit. */
export function verdict(
  goal: string,
  measured: number | undefined,
  limit: number,
  show: (value: number) => string,
): Verdict {
  if (measured === undefined) return { goal, measured: '–', verdict: 'not measured' }
  return { goal, measured: show(measured), verdict: measured <= limit ? 'met' : 'not met' }
}

/** A multiple as text, such as `1/43 of` or `1.4 ×`. */
export function times(multiple: number): string {
  return multiple <= 0.5 ? `1/${number(1 / multiple)} of` : `${number(multiple)} ×`
}

/** A number with three significant digits and thousands separators. */
export function number(value: number): string {
  return Number(value.toPrecision(3)).toLocaleString('en-US', { maximumFractionDigits: 6 })
}

/** A share in whole percent. */
export function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}
