import { STATUS_CODES } from 'node:http'
import type { Response } from 'express'

/**
 * Sends an error response in the format of RFC 9457 (problem details). `detail` says what was wrong and what
 * to do.
 */
export function problem(response: Response, status: number, detail: string): void {
  response
    .status(status)
    .type('application/problem+json')
    .send(JSON.stringify({ title: STATUS_CODES[status] ?? '', status, detail }))
}
