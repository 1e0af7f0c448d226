import { type Call, type CallName, calls } from '@who-is-online/protocol/api'

/** What the paths of all calls begin with. */
export const API_PATH = '/api/v1/'

/** A call whose path a request has, with the parameters in it, still percent-encoded. */
export interface Match {
  readonly name: CallName
  readonly call: Call
  readonly params: Readonly<Record<string, string>>
}

/** The segments of the path of a call. One like `{userId}` stands for any text that is not empty. */
const routes = (Object.entries(calls) as [CallName, Call][]).map(([name, call]) => ({
  name,
  call,
  segments: call.path.split('/'),
}))

/** The calls whose path is this one, whatever their method. Nothing but the parameters is decoded or resolved. */
export function callsAt(path: string): Match[] {
  const given = path.split('/')
  return routes.flatMap(({ name, call, segments }) => {
    const params = paramsOf(segments, given)
    return params ? [{ name, call, params }] : []
  })
}

/** The call of a request; `undefined` for an unknown one. */
export function callOf(method: string, path: string): Match | undefined {
  const asked = method === 'HEAD' ? 'GET' : method
  return callsAt(path).find(({ call }) => call.method === asked)
}

function paramsOf(segments: readonly string[], given: readonly string[]): Match['params'] | undefined {
  if (segments.length !== given.length) return undefined
  const params: Record<string, string> = {}
  for (const [index, segment] of segments.entries()) {
    const text = given[index] as string
    if (!segment.startsWith('{')) {
      if (segment !== text) return undefined
    } else if (text === '') return undefined
    else params[segment.slice(1, -1)] = text
  }
  return params
}
