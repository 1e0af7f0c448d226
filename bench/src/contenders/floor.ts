// Contender `floor`: the best that Node can do. It handles the upgrade itself on plain sockets, sends the
// same bytes, and uses one write per socket and window and one write for the replies of a read. It has
// no presence logic, checks or heartbeat.
import { createHash } from 'node:crypto'
import { createServer, type Socket } from 'node:net'
import { address, isSilent } from './settings.ts'

/** How long changes are batched under load, in ms. The first change after a quiet time is sent at once. */
const WINDOW_MS = 10

/** RFC 6455, section 1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/**
 * Requests are identified by the first letter of their type, at this offset, and by the length of one of
 * them.
 */
const KIND_AT = '{"type":"'.length
const GET_ONLINE_COUNT = 'g'.charCodeAt(0)
const CHECK_USER_STATUS = 'c'.charCodeAt(0)
const TARGET_AT = '{"type":"check_user_status","targetUserId":"'.length
const SET_OFFLINE = '{"type":"set_status","status":"offline"}'.length

interface Member {
  socket: Socket
  /** Bytes of the open window that were added before this member connected; they are not sent to it. */
  skip: number
}

const members = new Set<Member>()
/** The frames of the open window. They are ASCII, so a character is a byte. */
let window = ''
let newcomers: Member[] = []
let flushedAt = 0
let stamp = { ms: 0, text: '' }

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
}).listen(address)

function join(socket: Socket, key: string, userId: string): void {
  const accept = createHash('sha1')
    .update(key + GUID)
    .digest('base64')
  const response = `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`
  const welcome = frame(`{"type":"welcome","userId":"${userId}","message":"Connected to server"}`)
  socket.write(response + welcome, 'latin1')
  if (!isSilent) tell(userId, 'online')
  const member = { socket, skip: window.length }
  members.add(member)
  newcomers.push(member)
  socket.on('close', () => members.delete(member))
  let rest: Buffer = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    rest = answer(member, userId, rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk)
  })
}

/**
 * Answers all complete frames in `bytes` with one write, and returns the rest. Client frames are short and
 * masked here.
 */
function answer(member: Member, userId: string, bytes: Buffer): Buffer {
  let replies = ''
  let at = 0
  while (bytes.length - at >= 6) {
    const length = (bytes[at + 1] ?? 0) & 0x7f
    if (at + 6 + length > bytes.length) break
    replies += reply(userId, bytes, at, length)
    at += 6 + length
  }
  if (replies !== '') member.socket.write(replies, 'latin1')
  return bytes.subarray(at)
}

/**
 * The reply to the frame at `at`. The first letter of the type identifies a request, and its length
 * identifies the status that it sets. `id` is the last key of the others.
 */
function reply(userId: string, bytes: Buffer, at: number, length: number): string {
  const kind = unmasked(bytes, at, KIND_AT)
  if (kind === GET_ONLINE_COUNT || kind === CHECK_USER_STATUS) {
    const request = unmaskedText(bytes, at, length)
    const id = request.slice(request.lastIndexOf(':') + 1, -1)
    if (kind === GET_ONLINE_COUNT) {
      return frame(`{"type":"online_count","count":${members.size},"timestamp":"${now()}","id":${id}}`)
    }
    const target = request.slice(TARGET_AT, request.indexOf('"', TARGET_AT))
    return frame(`{"type":"user_status","userId":"${target}","online":true,"lastSeen":"${now()}","id":${id}}`)
  }
  const status = length === SET_OFFLINE ? 'offline' : 'online'
  tell(userId, status)
  return frame(`{"type":"status_updated","status":"${status}","timestamp":"${now()}"}`)
}

function tell(userId: string, status: string): void {
  if (window === '') {
    const wait = flushedAt + WINDOW_MS - performance.now()
    if (wait <= 0) setImmediate(flush)
    else setTimeout(flush, wait)
  }
  window += frame(
    `{"type":"user_status_change","userId":"${userId}","status":"${status}","timestamp":"${now()}"}`,
  )
}

function flush(): void {
  const bytes = Buffer.from(window, 'latin1')
  for (const { socket, skip } of members)
    if (skip < bytes.length) socket.write(skip > 0 ? bytes.subarray(skip) : bytes)
  for (const member of newcomers) member.skip = 0
  newcomers = []
  window = ''
  flushedAt = performance.now()
}

/** One byte of the payload of the client frame at `at`, after a header of two bytes and a mask of four. */
function unmasked(bytes: Buffer, at: number, index: number): number {
  return (bytes[at + 6 + index] ?? 0) ^ (bytes[at + 2 + (index & 3)] ?? 0)
}

/** The whole payload of that frame, which is unmasked in place. */
function unmaskedText(bytes: Buffer, at: number, length: number): string {
  for (let index = 0; index < length; index++) bytes[at + 6 + index] = unmasked(bytes, at, index)
  return bytes.toString('latin1', at + 6, at + 6 + length)
}

/** An unmasked text frame as latin1; messages here are ASCII and shorter than 65,536 bytes. */
function frame(message: string): string {
  const { length } = message
  const header =
    length > 125 ? `\x7e${String.fromCharCode(length >> 8, length & 0xff)}` : String.fromCharCode(length)
  return `\x81${header}${message}`
}

/** The time in the format of the protocol, formatted once per millisecond. */
function now(): string {
  const ms = Date.now()
  if (ms !== stamp.ms) stamp = { ms, text: new Date(ms).toISOString() }
  return stamp.text
}
