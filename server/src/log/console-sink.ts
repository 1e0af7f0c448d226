import { write } from 'node:fs'
import { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import type { Sink } from './line-writer.ts'

/**
 * A sink for `process.stdout` or `process.stderr` (or another stream, in tests) that never blocks the
 * process.
 *
 * Node writes to terminals and files synchronously. Ctrl-S in a terminal, or a disk that hangs, would block
 * the server. Only pipes and sockets are asynchronous.
 */
export function consoleSink(stream: Writable): Sink {
  stream.on('error', () => {}) // the callback of `write` receives it too
  if (!(stream instanceof Socket) && 'fd' in stream && typeof stream.fd === 'number') {
    return fileSink(stream.fd)
  }
  const { _handle: handle } = stream as { _handle?: { setBlocking?(isBlocking: boolean): void } }
  handle?.setBlocking?.(false)
  return {
    write: text =>
      new Promise((resolve, reject) => {
        stream.write(text, error => (error ? reject(error) : resolve()))
      }),
  }
}

/** Writes to an open file in the thread pool. */
function fileSink(fd: number): Sink {
  return {
    write: text =>
      new Promise((resolve, reject) => {
        const bytes = Buffer.from(text)
        const writeFrom = (start: number): void =>
          write(fd, bytes, start, bytes.length - start, null, (error, written) => {
            if (error) reject(error)
            else if (start + written < bytes.length) writeFrom(start + written)
            else resolve()
          })
        writeFrom(0)
      }),
  }
}
