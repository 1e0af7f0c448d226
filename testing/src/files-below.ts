import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** All files below a directory. A server may remove temporary files meanwhile: these are left out. */
export function filesBelow(directory: string): { readonly name: string; readonly content: Buffer }[] {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true })
  return entries.flatMap(entry => {
    const content = entry.isFile() ? contentOf(join(entry.parentPath, entry.name)) : undefined
    return content ? [{ name: entry.name, content }] : []
  })
}

function contentOf(path: string): Buffer | undefined {
  try {
    return readFileSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
