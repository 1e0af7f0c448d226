import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'

// Each example of the README is compiled against the types of the package, so that it uses what exists, as it is.

const root = join(import.meta.dirname, '../client')
const readme = readFileSync(join(root, 'README.md'), 'utf8')
const examples = [...readme.matchAll(/```(?:js|jsx)\n(.*?)```/gs)].map(([, code = '']) => code)

/** What the examples use besides this package, where no types are installed. */
const AMBIENT = `
declare module 'react-native' {
  export const AppState: { addEventListener(type: 'change', listener: (state: string) => void): { remove(): void } }
}
declare const alert: (text: string) => void
`

/** The errors of an example. It is compiled as if it stood in the sources, so that it finds the package by its name. */
function errorsIn(code: string): string[] {
  const files = new Map([
    [join(root, 'src/example.jsx'), code],
    [join(root, 'src/example-ambient.d.ts'), AMBIENT],
  ])
  const options: ts.CompilerOptions = {
    allowJs: true,
    checkJs: true,
    noEmit: true,
    strict: false,
    skipLibCheck: true,
    allowImportingTsExtensions: true,
    jsx: ts.JsxEmit.ReactJSX,
    target: ts.ScriptTarget.ES2023,
    lib: ['lib.es2023.d.ts', 'lib.dom.d.ts'],
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    customConditions: ['@who-is-online/source'],
    types: ['node'],
  }
  const host = ts.createCompilerHost(options)
  const { fileExists, readFile, getSourceFile } = host
  host.fileExists = path => files.has(path) || fileExists(path)
  host.readFile = path => files.get(path) ?? readFile(path)
  host.getSourceFile = (path, version, ...rest) => {
    const text = files.get(path)
    return text === undefined
      ? getSourceFile(path, version, ...rest)
      : ts.createSourceFile(path, text, version)
  }
  const program = ts.createProgram([...files.keys()], options, host)
  const example = program.getSourceFile(join(root, 'src/example.jsx'))
  return [...program.getSyntacticDiagnostics(example), ...program.getSemanticDiagnostics(example)].map(
    ({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'),
  )
}

describe('the README', () => {
  test.each(examples.map((code, index) => ({ index, code })))('example $index compiles', ({ code }) => {
    expect(errorsIn(code)).toEqual([])
  })

  test('there are examples, and one that uses something else does not compile', () => {
    expect(examples.length).toBeGreaterThan(9)
    expect(errorsIn("import { useUser } from '@who-is-online/client/react'")).toHaveLength(1)
    expect(
      errorsIn("import { createClient } from '@who-is-online/client'\ncreateClient({ userId: 'me' })"),
    ).toHaveLength(1)
  })
})
