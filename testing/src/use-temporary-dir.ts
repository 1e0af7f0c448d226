import { afterEach, beforeEach } from 'vitest'
import { temporaryDir } from './start-server.ts'

/**
 * Gives each test of this file or `describe` a new directory, and removes it after the test. Hooks that are registered
 * later find it there: `beforeEach` runs after it is made, `afterEach` before it is removed.
 */
export function useTemporaryDir(): { readonly path: string } {
  let dir: ReturnType<typeof temporaryDir> | undefined
  beforeEach(() => {
    dir = temporaryDir()
  })
  afterEach(() => dir?.remove())
  return {
    get path() {
      if (!dir) throw new Error('the directory exists only in tests and hooks, not when the file is loaded')
      return dir.path
    },
  }
}
