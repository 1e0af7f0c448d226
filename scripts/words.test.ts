import { execFileSync, spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { temporaryDir } from '@who-is-online/testing/start-server'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { problemsIn } from './prose.ts'

const long = (text: string): string => text.padEnd(121, ' and more')

describe('words', () => {
  const sentences = [
    'It tells whoever asks.',
    'Whosoever is there.',
    'Users of whom nothing is known.',
    'Mend the URL.',
    'This was mended.',
    'It starts anew.',
    'The cursor is none of ours.',
    'Nobody but the owner.',
    'What is so now.',
    'It hears of all changes.',
    'It is said aloud.',
    'A dear flush.',
    'Somebody who only looks.',
  ]

  test.each(sentences)(
    '%s is found in Markdown, comments, doc comments, strings, templates and JSX',
    sentence => {
      const places: [path: string, text: string][] = [
        ['a.md', `# A page\n\n${sentence}\n`],
        ['a.md', `| a table |\n| --- |\n| ${sentence} |\n`],
        ['a.ts', `export const a = 1\n// ${sentence}\nexport const b = 2\n`],
        ['a.ts', `/** ${sentence} */\nexport function a(): void {}\n`],
        ['a.ts', `export const a = 1 // ${sentence}\n`],
        ['a.ts', `f('${sentence}')\n`],
        ['a.ts', `f(\`${sentence} \${1} and\`)\n`],
        ['a.tsx', `export const a = <p>${sentence}</p>\n`],
        ['a.mjs', `// ${sentence}\n`],
        ['a.css', `/* ${sentence} */\n`],
      ]
      for (const [path, text] of places) {
        expect([path, text, problemsIn(path, text).length]).toEqual([path, text, 1])
      }
    },
  )

  test('a phrase is found across a line break, with the line where it begins', () => {
    expect(problemsIn('a.md', 'one\n\ntwo\nthat is\nnone of ours\n')).toMatchObject([{ line: 4 }])
    expect(problemsIn('a.ts', '\n// users of\n// whom\n')).toMatchObject([{ line: 2 }])
    expect(problemsIn('a.ts', '/**\n * users of\n * whom\n */\n')).toMatchObject([{ line: 2 }])
  })

  test('code is not prose', () => {
    expect(problemsIn('a.md', 'Use `anew` here.\n\n```js\nwhoever()\n```\n')).toEqual([])
    expect(problemsIn('a.md', '<!-- table:begin -->\nIt starts anew.\n<!-- table:end -->\n')).toEqual([])
    expect(problemsIn('a.ts', 'export const whoever = anew\n')).toEqual([])
    expect(problemsIn('a.md', 'Amend the renewed recommendation.\n')).toEqual([])
  })

  test('text after a code block or a generated section is prose again', () => {
    expect(problemsIn('a.md', '```\na\n```\n\nIt starts anew.\n')).toMatchObject([{ line: 5 }])
    expect(problemsIn('a.md', '<!-- t:begin -->\na\n<!-- t:end -->\nIt starts anew.\n')).toMatchObject([
      { line: 4 },
    ])
  })
})

describe('lines', () => {
  test('a comment is wrapped at 120 columns', () => {
    for (const text of [
      `// ${long('Word')}\n`,
      `/**\n * ${long('Word')}\n */\n`,
      `a() // ${long('Word')}\n`,
    ]) {
      expect(problemsIn('a.ts', text)).toHaveLength(1)
    }
    expect(problemsIn('a.ts', `${'// word'.padEnd(120, 'x')}\n`)).toEqual([])
    expect(problemsIn('a.ts', `// ${long('https://example.com/')}\n`)).toEqual([])
    expect(problemsIn('a.ts', `export const a = '${long('text')}'\n`)).toEqual([])
  })

  test('a Markdown line has at most 120 columns or one sentence', () => {
    expect(problemsIn('a.md', `One sentence. ${long('Another one')}\n`)).toHaveLength(1)
    expect(problemsIn('a.md', `- **A title.** ${long('Another one')}\n`)).toHaveLength(1)
    expect(
      problemsIn('a.md', `${long('One sentence, e.g. with Node.js 20.19 or [a link](a. B)')}.\n`),
    ).toEqual([])
    expect(problemsIn('a.md', `1. ${long('One sentence')}.\n`)).toEqual([])
    expect(problemsIn('a.md', `| One sentence. ${long('Another one')} |\n`)).toEqual([])
    expect(problemsIn('a.md', `\`\`\`\nOne. ${long('Two')}\n\`\`\`\n`)).toEqual([])
  })
})

describe('the check', () => {
  const dir = temporaryDir()
  const write = (path: string, text: string): void => writeFileSync(join(dir.path, path), text)
  const check = (): string => {
    const program = join(import.meta.dirname, 'words.ts')
    const { status, stderr } = spawnSync(process.execPath, [program], { cwd: dir.path, encoding: 'utf8' })
    return `${status} ${stderr}`
  }

  beforeAll(() => execFileSync('git', ['init', '-q'], { cwd: dir.path }))
  afterAll(() => dir.remove())

  test('fails with the file, the line and the advice, also for a file that git does not know yet', () => {
    write('new.md', 'It starts again.\n')
    expect(check()).toBe('0 ')
    write('new.md', 'One line.\nIt starts anew.\n')
    expect(check()).toBe('1 new.md:2: "anew": write again, or from the start\n1 problems\n')
  })

  test('ignores a file that was deleted, but not committed yet', () => {
    write('old.md', 'It starts anew.\n')
    execFileSync('git', ['add', '-A'], { cwd: dir.path })
    rmSync(join(dir.path, 'old.md'))
    rmSync(join(dir.path, 'new.md'))
    expect(check()).toBe('0 ')
  })
})
