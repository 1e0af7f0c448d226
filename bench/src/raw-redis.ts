import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** The commands that nodes send while they run. Others are called by their script, or by the bench. */
const SENT_BY_NODES = ['evalsha', 'eval', 'xread', 'hscan', 'xinfo']

/** What a Redis has done since its start. */
export interface RedisWork {
  /** Commands that the nodes have sent. */
  readonly sent: number
  /** The same, and the commands that their scripts have called. */
  readonly executed: number
  /** Entries that were appended to streams. */
  readonly entries: number
  /** The memory of all data, in bytes. */
  readonly usedMemory: number
}

/** A connection to a Redis that sends one command at a time and returns the text of the reply. */
export class RawRedis {
  readonly #socket: Socket

  private constructor(socket: Socket) {
    this.#socket = socket
  }

  static async connect(port: number): Promise<RawRedis> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    await once(socket, 'connect')
    return new RawRedis(socket)
  }

  /**
   * Sends a command whose reply is a number or a text.
   *
   * @throws Error if Redis refuses the command
   */
  async send(...parts: readonly string[]): Promise<string> {
    const bulks = parts.map(part => `$${Buffer.byteLength(part)}\r\n${part}\r\n`)
    this.#socket.write(`*${parts.length}\r\n${bulks.join('')}`)
    let reply = Buffer.alloc(0)
    for (;;) {
      const [chunk] = (await once(this.#socket, 'data')) as [Buffer]
      reply = Buffer.concat([reply, chunk])
      const text = contentOf(reply)
      if (text === undefined) continue
      if (reply[0] === '-'.charCodeAt(0)) throw new Error(`Redis refuses ${parts[0]}: ${text}`)
      return text
    }
  }

  /** What Redis has done so far. */
  async work(): Promise<RedisWork> {
    const info = await this.send('INFO', 'everything')
    const number = (pattern: string) => Number(new RegExp(`^${pattern}(\\d+)`, 'm').exec(info)?.[1] ?? 0)
    const calls = (command: string) => number(`cmdstat_${command}:calls=`)
    return {
      sent: SENT_BY_NODES.reduce((sum, command) => sum + calls(command), 0),
      executed: number('total_commands_processed:'),
      entries: calls('xadd'),
      usedMemory: number('used_memory:'),
    }
  }

  close(): void {
    this.#socket.destroy()
  }
}

/** The content of a complete reply; undefined if more of it will come. */
function contentOf(reply: Buffer): string | undefined {
  const end = reply.indexOf('\r\n')
  if (end === -1) return undefined
  const line = reply.toString('utf8', 1, end)
  if (reply[0] !== '$'.charCodeAt(0)) return line
  if (Number(line) < 0) return '' // nothing: no value, or a script without a result
  const from = end + 2
  const to = from + Number(line)
  return reply.length < to + 2 ? undefined : reply.toString('utf8', from, to)
}
