import { write } from 'node:fs'
import { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import type { Sink } from './line-writer.ts'

/**
 * A sink for `process.stdout` or `process.stderr` (or another stream, in tests) that never blocks the process.
 *
 * Node writes to terminals synchronously: Ctrl-S would stop the server. It writes to files synchronously: a disk that
 * hangs would. Only pipes and sockets are asynchronous.
 */
export function consoleSink(stream: Writable): Sink {
  stream.on('error', () => {}) // the callback of the write has it
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

/** Writes to an open file by the thread pool. */
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
