import { beforeEach, onTestFinished } from 'vitest'
import { temporaryDir } from './start-server.ts'

/**
 * Gives each test of this file or `describe` a new directory. It is removed after the `afterEach` hooks and after what
 * the test itself registered by `onTestFinished`: a server that still runs would make its directories again.
 */
export function useTemporaryDir(): { readonly path: string } {
  let dir: ReturnType<typeof temporaryDir> | undefined
  beforeEach(() => {
    dir = temporaryDir()
    onTestFinished(dir.remove)
  })
  return {
    get path() {
      if (!dir) throw new Error('the directory exists only in tests and hooks, not when the file is loaded')
      return dir.path
    },
  }
}
