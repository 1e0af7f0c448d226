import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { expect, test } from 'vitest'

const pages = globSync('**/*.md', { exclude: path => /(^|\/)(node_modules|dist)(\/|$)/.test(path) })

/** The text without code, which may hold brackets that are no links. */
function prose(text: string): string {
  return text
    .replaceAll(/^\s*```.*?^\s*```/gms, '')
    .replaceAll(/`[^`\n]*`/g, code => (code.includes('](') ? '' : code))
}

/** The anchors of the headings of a page, as GitHub makes them: a repeated heading gets a number. */
function anchors(page: string): string[] {
  const seen = new Map<string, number>()
  return [...prose(readFileSync(page, 'utf8')).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => {
    const anchor = heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(' ', '-')
    const count = seen.get(anchor) ?? 0
    seen.set(anchor, count + 1)
    return count === 0 ? anchor : `${anchor}-${count}`
  })
}

/** The links of a page that lead to no file or heading. */
function brokenLinks(page: string, text = readFileSync(page, 'utf8')): string[] {
  const targets = [...prose(text).matchAll(/(?:\]\(|(?:src|srcset)=")([^)"\s]+)/g)].map(
    match => match[1] ?? '',
  )
  return targets.filter(target => {
    if (/^[a-z]+:/.test(target)) return false
    const [path = '', anchor] = target.split('#')
    const file = path === '' ? page : normalize(join(dirname(page), path))
    return !existsSync(file) || (anchor !== undefined && !anchors(file).includes(anchor))
  })
}

test('every link between pages leads to a file and a heading', () => {
  expect(pages.length).toBeGreaterThan(20)
  const broken = pages.flatMap(page => brokenLinks(page).map(target => `${page}: ${target}`))
  expect(broken).toEqual([])
})

test('headings have the anchors that GitHub gives them', () => {
  expect(anchors('client/README.md')).toContain('nodejs-before-22')
  expect(anchors('docs/decisions/0007-a-slow-client-has-a-number-not-a-queue.md')[0]).toBe(
    '7-a-slow-client-has-a-number-not-a-queue',
  )
})

test('a link to a missing file or heading is found', () => {
  const text =
    '[a](README.md) [b](README.md#start) [c](gone.md) [d](README.md#gone) [e](#gone) `[f](gone.md)`'
  expect(brokenLinks('SPEC.md', text)).toEqual(['gone.md', 'README.md#gone', '#gone'])
})
