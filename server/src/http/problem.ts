import type { Response } from 'express'
import { PROBLEM_TYPE, type ProblemExtras, problemJson } from '../problem-json.ts'

/**
 * Sends an error response in the format of RFC 9457 (problem details). `detail` says what was wrong and what
 * to do.
 */
export function problem(response: Response, status: number, detail: string, extras?: ProblemExtras): void {
  response
    .status(status)
    .type(PROBLEM_TYPE)
    .send(problemJson(status, detail, extras))
}
