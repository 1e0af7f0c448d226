import { expect, test } from 'vitest'
import type { Result, Run } from './src/figures.ts'
import { plot } from './src/plot.ts'

const run = (cost: number): Run => ({ cost, invalid: [] })

function resultOf(entries: Record<string, number[]>): Result {
  return {
    scenario: 's',
    title: 'a < b & c',
    date: '',
    node: '',
    cpu: '',
    cores: 2,
    forms: [
      {
        name: 'f',
        title: 'form',
        unit: 'ms',
        entries: Object.entries(entries).map(([contender, costs]) => ({ contender, rounds: costs.map(run) })),
        goals: [],
      },
    ],
    problems: [],
    notes: [],
  }
}

test('bars are to scale from zero, up to the most that was measured', () => {
  const svg = plot(resultOf({ ours: [1, 1, 1], ws: [20, 10, 40] })) ?? ''
  const widths = [...svg.matchAll(/<rect [^>]*width="([\d.]+)"/g)].map(([, width]) => Number(width))
  expect(widths.map(width => width / (widths[0] ?? 0))).toEqual([1, expect.closeTo(20, 0)])
  const [, from, to] = /class="spread" d="M([\d.]+) \d+H([\d.]+)"\/><text [^>]*>20</.exec(svg) ?? []
  const zero = Number(/<rect [^>]*x="(\d+)"/.exec(svg)?.[1])
  expect((Number(to) - zero) / (Number(from) - zero)).toBeCloseTo(4, 1)
  expect(svg).toContain('<title>a &lt; b &amp; c</title>')
})

test('what nobody else was measured in is no picture', () => {
  expect(plot(resultOf({ ours: [1] }))).toBeUndefined()
})
