import { readFileSync } from 'node:fs'

// Parts of docs/deploy.md, so that tests can run what readers copy.

const page = readFileSync('docs/deploy.md', 'utf8')

/** The code blocks in a language, in order. */
export function blocksOf(language: string): string[] {
  return [...page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(
    ([, code = '']) => code,
  )
}

/** The only block in a language that contains `text`. @throws Error unless exactly one block has it */
export function blockWith(language: string, text: string): string {
  const [block, ...others] = blocksOf(language).filter(code => code.includes(text))
  if (block === undefined || others.length > 0) throw new Error(`not one block with ${text}`)
  return block
}
