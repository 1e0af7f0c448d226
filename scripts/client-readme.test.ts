import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { exampleErrors } from './example-errors.ts'

// Each example of the README is compiled against the types of the package, so that it uses what exists, as it is.
// Of an example in Vue, the script is compiled, and what the template does with it. Components and their properties are
// not checked.

const root = join(import.meta.dirname, '../client')
const readme = readFileSync(join(root, 'README.md'), 'utf8')
const examples = [...readme.matchAll(/```(jsx?|tsx|vue)\n(.*?)```/gs)].map(
  ([, language = '', code = '']) => ({
    language,
    code,
  }),
)
const { parse, compileScript } = createRequire(join(root, 'package.json'))('vue/compiler-sfc')

/** What the examples use besides this package, where no types are installed. */
const AMBIENT = `
declare module 'react-native' {
  export const AppState: { addEventListener(type: 'change', listener: (state: string) => void): { remove(): void } }
}
declare module 'jsonwebtoken' {
  const jwt: { sign(claims: object, secret: string, options: { expiresIn: string }): string }
  export default jwt
}
declare module '*.vue' {
  const component: import('vue').Component
  export default component
}
declare const app: { get(path: string, handler: (request: any, response: any) => void): void }
`

/** The script of a component in Vue, with its template as a function. */
function scriptOf(component: string): string {
  const { descriptor, errors } = parse(component)
  expect(errors).toEqual([])
  const { content } = compileScript(descriptor, { id: 'example', inlineTemplate: true })
  // So the compiler of Vue refers to a name that only the template has, and it types that as `any`.
  expect(content).not.toContain('_ctx.')
  return content
}

/** The errors of an example. */
function errorsIn(example: string, language = 'jsx'): string[] {
  const code = language === 'vue' ? scriptOf(example) : example
  const isTyped = language === 'tsx' || language === 'vue'
  // The compiler of Vue does not type the arguments of the functions that it makes.
  return exampleErrors(root, code, {
    extension: isTyped ? 'tsx' : 'jsx',
    ambient: AMBIENT,
    options: { strict: isTyped, noImplicitAny: language === 'tsx' },
  })
}

describe('the README', () => {
  // e2e/auth-examples.test.ts runs that one.
  test('has the same backend in Express as docs/auth.md', () => {
    const backend = examples.find(({ code }) => code.includes('jsonwebtoken'))?.code ?? 'none'
    expect(readFileSync(join(root, '../docs/auth.md'), 'utf8')).toContain(`\`\`\`js\n${backend}\`\`\``)
  })

  test.each(examples.map((example, index) => ({ index, ...example })))(
    'example $index compiles ($language)',
    ({ code, language }) => {
      expect(errorsIn(code, language)).toEqual([])
    },
  )

  test('there are examples, and one that uses something else does not compile', () => {
    expect(examples.length).toBeGreaterThan(9)
    expect(errorsIn("import { useUser } from '@who-is-online/client/react'")).toHaveLength(1)
    expect(
      errorsIn("import { createClient } from '@who-is-online/client'\ncreateClient({ userId: 'me' })"),
    ).toHaveLength(1)
    const languages = new Set(examples.map(({ language }) => language))
    expect(languages).toEqual(new Set(['js', 'jsx', 'tsx', 'vue']))
  })

  test('a typed example with a wrong status, and a component in Vue with a wrong name or template, do not compile', () => {
    const setup = (script: string, template: string) =>
      `<script setup lang="ts">\n${script}\n</script>\n<template>${template}</template>`
    const hook = "import { useMyStatus } from '@who-is-online/client/react'"
    expect(errorsIn(`${hook}\nexport const F = () => useMyStatus()[1]('asleep')`, 'tsx')).toHaveLength(1)
    const mine =
      "import { useMyStatus } from '@who-is-online/client/vue'\nconst [mine, setStatus] = useMyStatus()"
    expect(errorsIn(setup(mine, '{{ mine.status }}{{ setStatus }}'), 'vue')).toEqual([])
    expect(errorsIn(setup(mine, '{{ mine.state }}{{ setStatus }}'), 'vue')).toHaveLength(1)
    expect(errorsIn(setup(mine, '<i @click="setStatus(7)" />{{ mine }}'), 'vue')).toHaveLength(1)
    expect(() => errorsIn(setup(mine, '{{ mine }}{{ yours }}'), 'vue')).toThrow('_ctx.')
    expect(errorsIn(setup(mine.replaceAll('useMy', 'useOur'), ''), 'vue')).toHaveLength(1)
  })
})
