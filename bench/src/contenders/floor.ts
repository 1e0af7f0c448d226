// Contender `floor`: what Node can do at best. The upgrade by hand on bare sockets, the same v1 bytes, the frames
// of a window in one write per socket, the replies of a read in one write; no presence, no checks, no heartbeat.
import { createHash } from 'node:crypto'
import { createServer, type Socket } from 'node:net'
import { isSilent, port } from './settings.ts'

/** How long changes gather under load; the first one after quiet goes at once. */
const WINDOW_MS = 10

/** RFC 6455, 1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

interface Member {
  socket: Socket
  /** Bytes of the open window from before this member came; not for them. */
  skip: number
}

const members = new Set<Member>()
const window: Buffer[] = []
let windowBytes = 0
let newcomers: Member[] = []
let flushedAt = 0

createServer({ noDelay: true }, socket => {
  let head = ''
  socket.on('error', () => socket.destroy())
  socket.on('data', function upgrade(chunk: Buffer) {
    head += chunk.toString('latin1')
    if (!head.endsWith('\r\n\r\n')) return
    const key = /^sec-websocket-key: *(\S+)/im.exec(head)?.[1]
    if (!key) return socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
    socket.off('data', upgrade)
    join(socket, key, /userId=(\w+)/.exec(head)?.[1] ?? '')
  })
}).listen(port, '127.0.0.1')

function join(socket: Socket, key: string, userId: string): void {
  const accept = createHash('sha1')
    .update(key + GUID)
    .digest('base64')
  const response = `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`
  const welcome = frame({ type: 'welcome', userId, message: 'Connected to server' })
  socket.write(Buffer.concat([Buffer.from(response), welcome]))
  if (!isSilent) tell(userId, 'online')
  const member = { socket, skip: windowBytes }
  members.add(member)
  newcomers.push(member)
  socket.on('close', () => members.delete(member))
  let rest: Buffer = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    rest = answer(member, userId, rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk)
  })
}

/** Answers every whole frame in `bytes` in one write; returns what is left. Client frames here are short and masked. */
function answer(member: Member, userId: string, bytes: Buffer): Buffer {
  const replies: Buffer[] = []
  let at = 0
  while (bytes.length - at >= 6) {
    const start = at + 6
    const end = start + ((bytes[at + 1] ?? 0) & 0x7f)
    if (end > bytes.length) break
    replies.push(reply(userId, unmask(bytes, at + 2, start, end)))
    at = end
  }
  if (replies.length > 0)
    member.socket.write(replies.length === 1 ? (replies[0] ?? '') : Buffer.concat(replies))
  return bytes.subarray(at)
}

function reply(userId: string, message: string): Buffer {
  if (message.includes('get_online_count')) {
    return frame({ type: 'online_count', count: members.size, timestamp: now() })
  }
  if (message.includes('check_user_status')) {
    return frame({ type: 'user_status', userId, online: true, lastSeen: now() })
  }
  const status = message.includes('offline') ? 'offline' : 'online'
  tell(userId, status)
  return frame({ type: 'status_updated', status, timestamp: now() })
}

function tell(userId: string, status: string): void {
  if (window.length === 0) {
    const wait = flushedAt + WINDOW_MS - performance.now()
    if (wait <= 0) setImmediate(flush)
    else setTimeout(flush, wait)
  }
  const change = frame({ type: 'user_status_change', userId, status, timestamp: now() })
  window.push(change)
  windowBytes += change.length
}

function flush(): void {
  const bytes = Buffer.concat(window)
  for (const { socket, skip } of members)
    if (skip < bytes.length) socket.write(skip > 0 ? bytes.subarray(skip) : bytes)
  for (const member of newcomers) member.skip = 0
  newcomers = []
  window.length = 0
  windowBytes = 0
  flushedAt = performance.now()
}

function unmask(bytes: Buffer, mask: number, start: number, end: number): string {
  for (let at = start; at < end; at++) bytes[at] = (bytes[at] ?? 0) ^ (bytes[mask + ((at - start) & 3)] ?? 0)
  return bytes.toString('latin1', start, end)
}

/** An unmasked text frame; messages here are shorter than 65,536 bytes. */
function frame(message: object): Buffer {
  const payload = Buffer.from(JSON.stringify(message))
  const long = payload.length > 125
  const header = Buffer.from(
    long ? [0x81, 126, payload.length >> 8, payload.length & 0xff] : [0x81, payload.length],
  )
  return Buffer.concat([header, payload])
}

function now(): string {
  return new Date().toISOString()
}
