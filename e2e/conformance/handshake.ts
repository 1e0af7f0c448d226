import type { RequestShape } from '@who-is-online/testing/raw-client'
import type { Case } from './case.ts'

/** The handshake succeeds. `shown` is the upgrade line, `userId` the user of the `welcome`. */
export const accepted = (title: string, request: RequestShape, shown = '101', userId = 'raw'): Case => ({
  title,
  request,
  expect: [shown, `welcome ${userId}`, 'open'],
})

/** The server answers with this HTTP status and closes TCP. `shows` are headers, as `name=value`. */
export const refused = (
  title: string,
  request: RequestShape,
  status: number,
  shows: string[] = [],
): Case => ({
  title,
  request,
  shows: shows.map(show => show.split('=')[0] ?? ''),
  expect: [`HTTP ${status}${shows.map(show => ` ${show}`).join('')}`, 'end'],
})

/** An ordinary HTTP request is answered, and the TCP connection stays open. */
export const answered = (
  title: string,
  request: RequestShape,
  status: number,
  shows: string[] = [],
): Case => ({
  ...refused(title, request, status, shows),
  expect: [`HTTP ${status}${shows.map(show => ` ${show}`).join('')}`, 'kept'],
})

/** The handshake succeeds, then the server sends an `error` that names `field`, and closes with 4400. */
export const refusedAfterUpgrade = (title: string, target: string, field = 'userId'): Case => ({
  title,
  request: { target },
  expect: ['101', `error bad_message${field && ` "${field}"`}`, 'close 4400 bad identity', 'end'],
})

/** A request in which one header is replaced or added; `undefined` removes it. */
export const header = (name: string, value: string | readonly string[] | undefined): RequestShape => ({
  headers: { [name]: value },
})
