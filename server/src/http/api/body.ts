import type { IncomingMessage } from 'node:http'
import { type Call, MAX_CALL_BYTES, MAX_CALL_VALUES } from '@who-is-online/protocol/api'
import { isObject, type Unknowns } from '@who-is-online/protocol/check-fields'
import { hasMoreValues } from './body-values.ts'
import { ApiFailure } from './failure.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false })

/** Whether a request has a body that is not empty, or whose length it does not say. */
export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

/**
 * Reads the body of a request. Nothing is read of a body that is too long.
 *
 * @throws ApiFailure that says what is wrong with it; undefined if the client went away
 */
export async function readBody(
  request: IncomingMessage,
  { maxBodyBytes = MAX_CALL_BYTES }: Call,
): Promise<Buffer | undefined> {
  const { headers } = request
  const [type = '', charset] = mediaTypeOf(headers['content-type'])
  if (type !== 'application/json' || (charset !== undefined && charset !== 'utf-8')) {
    throw new ApiFailure('unsupported_media_type', 'the Content-Type must be application/json, in UTF-8')
  }
  if ((headers['content-encoding'] ?? 'identity') !== 'identity') {
    throw new ApiFailure('unsupported_media_type', 'the body must not be compressed (Content-Encoding)')
  }
  if (headers['content-length'] === undefined) {
    throw new ApiFailure('length_required', 'the request must have a body, and its Content-Length')
  }
  if (Number(headers['content-length']) > maxBodyBytes) {
    throw new ApiFailure('too_large', `the body is longer than ${maxBodyBytes} bytes`)
  }
  return bytesOf(request)
}

/** The media type and the charset of a Content-Type, in lower case. Other parameters have no meaning for JSON. */
function mediaTypeOf(header = ''): [type: string | undefined, charset: string | undefined] {
  const [type, ...parameters] = header.split(';').map(part => part.trim().toLowerCase())
  const [, charset] = parameters.map(part => /^charset="?([^"]*)"?$/.exec(part)).find(Boolean) ?? []
  return [type, charset]
}

/** The bytes of a body; `undefined` if the connection ended before all had come. */
function bytesOf(request: IncomingMessage): Promise<Buffer | undefined> {
  return new Promise(resolve => {
    const chunks: Buffer[] = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('end', () => resolve(Buffer.concat(chunks)))
    request.on('error', () => resolve(undefined))
    request.on('close', () => resolve(undefined))
  })
}

/**
 * The JSON object that a body is. One with too many values is not parsed.
 *
 * @throws ApiFailure that says what is wrong with it
 */
export function objectOf(bytes: Buffer, { maxBodyValues = MAX_CALL_VALUES }: Call): Unknowns {
  if (hasMoreValues(bytes, maxBodyValues)) {
    throw new ApiFailure('too_large', `the body has more than ${maxBodyValues} values`)
  }
  let value: unknown
  try {
    value = JSON.parse(utf8.decode(bytes))
  } catch {
    throw new ApiFailure('bad_json', 'the body is not JSON in UTF-8')
  }
  if (isObject(value)) return value
  throw new ApiFailure('bad_json', 'the body must be a JSON object')
}
