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
  const widths = [...svg.matchAll(/<rect class="bar[^>]*width="([\d.]+)"/g)].map(([, width]) => Number(width))
  expect(widths.map(width => width / (widths[0] ?? 0))).toEqual([1, expect.closeTo(20, 0)])
  const [, from, to] = /class="spread" d="M([\d.]+) \d+H([\d.]+)"\/><text [^>]*>20</.exec(svg) ?? []
  const zero = Number(/<rect class="bar[^>]*x="(\d+)"/.exec(svg)?.[1])
  expect((Number(to) - zero) / (Number(from) - zero)).toBeCloseTo(4, 1)
  expect(svg).toContain('<title>a &lt; b &amp; c</title>')
})

test('the product has its name in each picture, and its bars stand out from the others', () => {
  const svg = plot(resultOf({ ours: [1], 'ours, v1': [2], ws: [3] })) ?? ''
  const names = [...svg.matchAll(/class="name( ours)?">([^<]+)</g)].map(([, ours, name]) => [name, !!ours])
  expect(names).toEqual([
    ['Who Is Online', true],
    ['Who Is Online, protocol v1', true],
    ['own code on ws', false],
  ])
})

test('a picture brings its own background, so that its text is readable on any page', () => {
  const svg = plot(resultOf({ ours: [1], ws: [3] })) ?? ''
  const [, light, dark] = /\.ground { fill: (#\w+).*\.ground { fill: (#\w+)/s.exec(svg) ?? []
  const [, lightText, darkText] = /text {[^}]*fill: (#\w+).*text { fill: (#\w+)/s.exec(svg) ?? []
  expect(contrast(light, lightText)).toBeGreaterThan(7)
  expect(contrast(dark, darkText)).toBeGreaterThan(7)
  expect(svg).toContain('<rect class="ground"')
})

/** The contrast of two colours by WCAG 2, from 1 to 21. */
function contrast(a = '', b = ''): number {
  const luminance = (colour: string): number => {
    const [red = 0, green = 0, blue = 0] = [1, 3, 5].map(at => {
      const share = Number.parseInt(colour.slice(at, at + 2), 16) / 255
      return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
  }
  const [low = 0, high = 0] = [luminance(a), luminance(b)].sort((x, y) => x - y)
  return (high + 0.05) / (low + 0.05)
}

test('a result without a second contender has no picture', () => {
  expect(plot(resultOf({ ours: [1] }))).toBeUndefined()
})
