// Checks objects of Kubernetes. The validators of kubernetes-models know types and required fields, but accept any
// further field. The TypeScript types of the same package are strict about that, so both are used.
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

/** The common part of all objects. */
export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
}

const require = createRequire(import.meta.url)

/** The problems of an object; empty if it is valid. */
export function problemsOf(manifest: Manifest): string[] {
  const { apiVersion, kind } = manifest
  const path = `kubernetes-models/${apiVersion}`
  const Model = require(path)[kind]
  if (Model === undefined) return [`${apiVersion} has no ${kind}`]
  const problems = typeProblems(`import type { I${kind} } from '${path}'
export const manifest: I${kind} = ${JSON.stringify(manifest, null, 1)}`)
  try {
    new Model(manifest).validate()
  } catch (error) {
    problems.push((error as Error).message)
  }
  return problems
}

/** The errors of the compiler about a module that exists only in memory, beside this file. */
function typeProblems(source: string): string[] {
  const name = fileURLToPath(new URL('manifest.ts', import.meta.url))
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: [],
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    target: ts.ScriptTarget.ES2022,
  }
  const host = ts.createCompilerHost(options)
  const { getSourceFile, fileExists } = host
  host.fileExists = path => path === name || fileExists(path)
  host.getSourceFile = (path, ...rest) =>
    path === name
      ? ts.createSourceFile(path, source, ts.ScriptTarget.ES2022, true)
      : getSourceFile(path, ...rest)
  return ts
    .getPreEmitDiagnostics(ts.createProgram([name], options, host))
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))
}
