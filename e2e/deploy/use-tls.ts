import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { temporaryDir } from '@who-is-online/testing/start-server'
import { afterAll, beforeAll } from 'vitest'
import { type Certificate, makeCertificate, type RunningProxy } from './proxy.ts'

/** A certificate that the clients of this process trust, and the proxies that a test file started. */
export interface UsedTls {
  readonly certificate: Certificate
  /** Creates a directory that is removed after the tests. */
  readonly newDir: () => string
  /** Stops the proxy after the tests. */
  readonly use: (starting: Promise<RunningProxy>) => Promise<RunningProxy>
}

/** Makes an authority before the tests of this `describe`, trusts it, and removes everything after them. */
export function useTls(): UsedTls {
  const dirs: ReturnType<typeof temporaryDir>[] = []
  const started: RunningProxy[] = []
  const before = getCACertificates('default')
  let certificate: Certificate | undefined
  const newDir = (): string => {
    const dir = temporaryDir()
    dirs.push(dir)
    return dir.path
  }
  beforeAll(() => {
    certificate = makeCertificate(newDir())
    setDefaultCACertificates([...before, certificate.authority])
  })
  afterAll(async () => {
    await Promise.all(started.map(proxy => proxy.stop()))
    setDefaultCACertificates(before)
    for (const { remove } of dirs) remove()
  })
  return {
    newDir,
    async use(starting) {
      const proxy = await starting
      started.push(proxy)
      return proxy
    },
    get certificate() {
      if (!certificate) throw new Error('the certificate exists only in tests, not when the file is loaded')
      return certificate
    },
  }
}
