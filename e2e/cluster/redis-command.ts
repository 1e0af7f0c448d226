import { connect } from 'node:net'

/** Sends one command to a Redis on this machine. Returns its answer as Redis writes it. @throws Error if it refuses */
export function redisCommand(port: number, ...words: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    socket.setTimeout(5_000, () => socket.destroy(new Error('Redis does not answer')))
    socket.once('error', reject)
    socket.once('data', data => {
      socket.destroy()
      const answer = `${data}`.trim()
      if (answer.startsWith('-')) reject(new Error(answer))
      else resolve(answer)
    })
    const parts = words.map(word => `$${Buffer.byteLength(word)}\r\n${word}\r\n`)
    socket.write(`*${words.length}\r\n${parts.join('')}`)
  })
}
