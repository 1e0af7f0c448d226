import { STATUS_CODES } from 'node:http'
import type { Response } from 'express'

/** Answers with what went wrong, as RFC 9457 (problem details) says it. */
export function problem(response: Response, status: number, detail: string): void {
  response
    .status(status)
    .type('application/problem+json')
    .send(JSON.stringify({ title: STATUS_CODES[status] ?? '', status, detail }))
}
