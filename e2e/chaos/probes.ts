import { readFileSync } from 'node:fs'
import { get } from 'node:http'

// What can be measured of a server process from outside.

/** An HTTP response, and how long it took. */
export interface Answer {
  readonly status: number
  readonly ms: number
  readonly body: string
}

/** Sends an HTTP request on a new connection. Rejects after `timeoutMs`. */
export function ask(port: number, path: string, timeoutMs: number): Promise<Answer> {
  const begun = performance.now()
  return new Promise((resolve, reject) => {
    const request = get({ host: '127.0.0.1', port, path, agent: false, timeout: timeoutMs }, response => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', part => {
        body += part
      })
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, ms: performance.now() - begun, body }),
      )
      response.on('error', reject)
    })
    request.on('timeout', () => request.destroy(new Error(`no answer within ${timeoutMs} ms`)))
    request.on('error', reject)
  })
}

/** The resident memory and CPU time of a process; `undefined` if it does not exist. */
export function usage(
  pid: number | undefined,
): { readonly bytes: number; readonly cpuSeconds: number } | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return {
      bytes: Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024,
      cpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100,
    }
  } catch {
    return undefined
  }
}
