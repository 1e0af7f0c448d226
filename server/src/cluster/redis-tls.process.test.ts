import { execFile, execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describeOnEngines } from '@who-is-online/testing/describe-on-engines'
import { freePort } from '@who-is-online/testing/free-port'
import { startRedis } from '@who-is-online/testing/start-redis'
import { useTemporaryDir } from '@who-is-online/testing/use-temporary-dir'
import { expect, onTestFinished, test } from 'vitest'

// Node reads NODE_EXTRA_CA_CERTS when it starts, so each test connects in a process of its own.

const HERE = new URL('.', import.meta.url).href

/** Connects to the URL that is its argument, and prints the version of Redis or why that failed. */
const PROGRAM = `
  const { connectRedis } = await import('${HERE}redis.ts')
  const { explainRedisError } = await import('${HERE}redis-check.ts')
  try {
    const connection = await connectRedis(process.argv[1], 'test')
    console.log('version', (await connection.info()).version)
    await connection.close()
  } catch (error) {
    console.log('failed', explainRedisError(error, process.argv[1].startsWith('rediss')))
  }
`

async function connectWith(url: string, ca?: string): Promise<string> {
  const { NODE_EXTRA_CA_CERTS: _, NODE_OPTIONS: __, ...env } = process.env
  const args = ['--conditions=@who-is-online/source', '--input-type=module', '-e', PROGRAM, url]
  const options = { env: ca === undefined ? env : { ...env, NODE_EXTRA_CA_CERTS: ca } }
  const { stdout } = await promisify(execFile)(process.execPath, args, options)
  return stdout
}

describeOnEngines('rediss://', engine => {
  const dir = useTemporaryDir()

  /** Starts an engine that has a certificate for 127.0.0.1, signed by a CA that the test has made. */
  async function started() {
    const file = (name: string): string => join(dir.path, name)
    const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe', cwd: dir.path })
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
    for (const ca of ['ca', 'other']) {
      openssl('req', '-x509', ...key, '-keyout', `${ca}.key`, '-out', `${ca}.crt`, '-subj', `/CN=${ca}`)
    }
    openssl('req', ...key, '-keyout', 'redis.key', '-out', 'redis.csr', '-subj', '/CN=redis')
    writeFileSync(file('names'), 'subjectAltName=IP:127.0.0.1')
    const signed = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', 'names']
    openssl('x509', '-req', '-in', 'redis.csr', '-out', 'redis.crt', ...signed)
    const port = await freePort()
    const files = ['--tls-cert-file', file('redis.crt'), '--tls-key-file', file('redis.key')]
    const redis = await startRedis(engine, [
      '--tls-port',
      `${port}`,
      '--tls-auth-clients',
      'no',
      ...files,
      '--tls-ca-cert-file',
      file('ca.crt'),
    ])
    onTestFinished(redis.stop)
    return { port, ca: file('ca.crt'), other: file('other.crt') }
  }

  test('a certificate of a CA in NODE_EXTRA_CA_CERTS is trusted, and no other one', async () => {
    const { port, ca, other } = await started()
    const url = `rediss://127.0.0.1:${port}`
    expect(await connectWith(url, ca)).toMatch(/^version \d+\./)
    expect(await connectWith(url)).toMatch(/^failed .*NODE_EXTRA_CA_CERTS/)
    expect(await connectWith(url, other)).toMatch(/^failed .*NODE_EXTRA_CA_CERTS/)
  })

  test('a trusted certificate for another host is refused', async () => {
    const { port, ca } = await started()
    expect(await connectWith(`rediss://localhost:${port}`, ca)).toMatch(/^failed .*not match/)
  })

  test('that Redis has no TLS is told', async () => {
    const redis = await startRedis(engine)
    onTestFinished(redis.stop)
    expect(await connectWith(redis.url.replace('redis:', 'rediss:'))).toMatch(/^failed .*use redis:\/\//)
  })

  test('without TLS, the port for TLS answers nothing', async () => {
    const { port, ca } = await started()
    expect(await connectWith(`redis://127.0.0.1:${port}`, ca)).toMatch(/^failed Redis is not reachable/)
  })
})
