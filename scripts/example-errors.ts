import { join } from 'node:path'
import ts from 'typescript'

/** The files that the examples use, by their path: parsing them takes most of the time. */
const parsed = new Map<string, ts.SourceFile | undefined>()

/** How an example is compiled. */
interface Example {
  readonly extension: 'jsx' | 'tsx' | 'ts'
  /** Types of what the example uses besides, where none are installed. */
  readonly ambient?: string
  readonly options: Pick<ts.CompilerOptions, 'strict' | 'noImplicitAny'>
}

/**
 * The errors of an example in the documentation of a package, which is in the directory `root`. The example is compiled
 * as if it stood in the sources, so that it finds the package by its name.
 */
export function exampleErrors(
  root: string,
  code: string,
  { extension, ambient = '', options: own }: Example,
): string[] {
  const path = join(root, `src/example.${extension}`)
  const files = new Map([
    [path, code],
    [join(root, 'src/example-ambient.d.ts'), ambient],
  ])
  const options: ts.CompilerOptions = {
    allowJs: true,
    checkJs: true,
    noEmit: true,
    skipLibCheck: true,
    allowImportingTsExtensions: true,
    jsx: ts.JsxEmit.ReactJSX,
    target: ts.ScriptTarget.ES2023,
    lib: ['lib.es2023.d.ts', 'lib.dom.d.ts'],
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    customConditions: ['@who-is-online/source'],
    types: ['node'],
    ...own,
  }
  const host = ts.createCompilerHost(options)
  const { fileExists, readFile, getSourceFile } = host
  host.fileExists = path => files.has(path) || fileExists(path)
  host.readFile = path => files.get(path) ?? readFile(path)
  host.getSourceFile = (path, version, ...rest) => {
    const text = files.get(path)
    if (text !== undefined) return ts.createSourceFile(path, text, version)
    if (!parsed.has(path)) parsed.set(path, getSourceFile(path, version, ...rest))
    return parsed.get(path)
  }
  const program = ts.createProgram([...files.keys()], options, host)
  const source = program.getSourceFile(path)
  return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map(
    ({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'),
  )
}
