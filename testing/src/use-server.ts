import { afterAll, beforeAll } from 'vitest'
import { type RunningServer, type ServerSettings, startServer, temporaryDir } from './start-server.ts'

/** A server that runs during the tests of one file or one `describe`. */
export interface UsedServer extends RunningServer {
  /** The directory of its state and logs; it is removed with the server. */
  readonly dir: string
}

/**
 * Starts a server before the tests of this file or `describe`, and stops it after them. Hooks that are registered
 * later find it running: `beforeAll` runs after its start, `afterAll` before its end.
 *
 * @throws Error if a property other than `dir` is read before the server has started, as when the file is loaded
 */
export function useServer(settings: ServerSettings = {}): UsedServer {
  const dir = temporaryDir()
  let started: RunningServer | undefined
  const server = (): RunningServer => {
    if (!started) throw new Error('the server runs only in tests and hooks, not when the file is loaded')
    return started
  }
  beforeAll(async () => {
    started = await startServer(dir.path, settings)
  })
  afterAll(async () => {
    await started?.end('SIGTERM')
    dir.remove()
  })
  return {
    dir: dir.path,
    get port() {
      return server().port
    },
    get pid() {
      return server().pid
    },
    get url() {
      return server().url
    },
    get origin() {
      return server().origin
    },
    output: () => server().output(),
    end: signal => server().end(signal),
  }
}
