import { type AddressInfo, createServer } from 'node:net'

/** An empty Redis of another version, as far as a node asks before it uses it. */
export async function startOldRedis(
  version: string,
): Promise<{ readonly url: string; readonly stop: () => void }> {
  const info = `# Server\r\nredis_version:${version}\r\nrun_id:1\r\n# Memory\r\nmaxmemory_policy:noeviction\r\n# Replication\r\nrole:master\r\n`
  const server = createServer(socket => {
    socket.on('error', () => {})
    socket.on('data', data => {
      // Each command is an array of texts. The first text is its name.
      for (const [, name = ''] of `${data}`.matchAll(/\*\d+\r\n\$\d+\r\n(\w+)\r\n/g)) {
        const isInfo = name.toUpperCase() === 'EVAL' && `${data}`.includes('INFO')
        const refusal = name.toUpperCase() === 'XINFO' ? 'no such key' : `unknown command '${name}'`
        socket.write(isInfo ? `$${info.length}\r\n${info}\r\n` : `-ERR ${refusal}\r\n`)
      }
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { url: `redis://127.0.0.1:${port}`, stop: () => server.close() }
}
