import type { Response } from 'express'
import { type ChangePage, textOf } from '../changes/page.ts'

/** How often a stream without news sends a comment, in ms, so that no proxy takes it for dead. */
const COMMENT_MS = 15_000

/**
 * How long a client may take to read a page, in ms. A page of 1,000 records has about 300 kB, so 5 kB/s are enough. A
 * client that does not read must not keep its page and its place among the streams.
 */
const PAGE_MS = 60_000

/**
 * Sends pages as server-sent events, until there are no more or the connection ends. The next page is asked for when
 * the client has read enough of the last one: a slow reader costs no more than two pages.
 */
export async function sendEvents(response: Response, pages: AsyncIterable<ChangePage>): Promise<void> {
  response.set({
    'Content-Type': 'text/event-stream; charset=utf-8',
    'Cache-Control': 'no-store',
    // When the server stops, an idle connection that is kept open would delay it.
    Connection: 'close',
    // nginx would gather the events.
    'X-Accel-Buffering': 'no',
  })
  response.flushHeaders()
  if (response.req.method === 'HEAD') return void response.end()
  const comments = setInterval(() => {
    if (!response.writableNeedDrain) response.write(':\n\n')
  }, COMMENT_MS)
  try {
    for await (const page of pages) {
      if (response.write(eventOf(page)) || (await drained(response))) continue
      // To end it in order would wait for the client too.
      response.destroy()
      return
    }
  } finally {
    clearInterval(comments)
    response.end()
  }
}

/** Waits until the client has read what was written, or the connection has ended. Returns `false` after PAGE_MS. */
function drained(response: Response): Promise<boolean> {
  return new Promise(resolve => {
    if (response.closed || response.destroyed) return resolve(true)
    const end = () => done(true)
    const timer = setTimeout(() => done(false), PAGE_MS)
    response.on('drain', end).on('close', end)
    function done(isDrained: boolean): void {
      clearTimeout(timer)
      response.off('drain', end).off('close', end)
      resolve(isDrained)
    }
  })
}

/**
 * A page as an event. Only a place from which a client can continue is an id: within a full state, a client that comes
 * back names the place before it, and gets the full state again.
 */
function eventOf(page: ChangePage): string {
  const id = page.cursor === undefined ? `id: ${textOf(page)}\n` : ''
  return `${id}data: ${JSON.stringify(page)}\n\n`
}
