import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Mutant } from '@who-is-online/testing/mutated-copies'

const SERVER = join(import.meta.dirname, '../../server')

/** A copy of the server's sources with a mutant. */
export interface MutatedServer {
  /** The file that Node.js runs. */
  readonly entry: string
  readonly remove: () => void
}

/**
 * Makes a copy that other processes can run. It is not inside node_modules, where Node.js runs no TypeScript.
 *
 * @throws Error if the line of the mutant does not occur exactly once
 */
export function mutatedServer({ file, line, becomes }: Mutant): MutatedServer {
  const home = mkdtempSync(join(tmpdir(), 'who-is-online-mutant-'))
  const remove = () => rmSync(home, { recursive: true, force: true })
  const copy = join(home, 'server')
  mkdirSync(copy)
  cpSync(join(SERVER, 'src'), join(copy, 'src'), { recursive: true })
  cpSync(join(SERVER, 'package.json'), join(copy, 'package.json'))
  symlinkSync(join(SERVER, 'node_modules'), join(copy, 'node_modules'))
  const path = join(copy, 'src', file)
  const parts = readFileSync(path, 'utf8').split(line)
  if (parts.length !== 2) {
    remove()
    throw new Error(`${file} has the line of the mutant ${parts.length - 1} times: ${line}`)
  }
  writeFileSync(path, parts.join(becomes))
  return { entry: join(copy, 'src/main.ts'), remove }
}
