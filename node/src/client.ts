import type { ApiCalls, ListUsersFields, User } from './api.ts'
import { invalid } from './api-error.ts'
import type { CallOptions } from './call-options.ts'
import { CALLS } from './calls.ts'
import { type ChangesEvent, type ChangesOptions, readChanges } from './changes.ts'
import { textOfId } from './ids.ts'
import { type ApiClientOptions, type CheckedOptions, checked } from './options.ts'
import { queryOf } from './query.ts'
import { send } from './transport.ts'

/** The HTTP API of a server: one method for each call, and iterators. */
export interface ApiClient extends ApiCalls {
  /**
   * All known users, or those with a status, one by one. It asks for pages as they are needed. A user who is known
   * during the whole time is given exactly once.
   *
   * @throws ApiError when a page can't be read
   */
  iterateUsers(
    fields?: Omit<ListUsersFields, 'cursor'>,
    options?: CallOptions,
  ): AsyncGenerator<User, void, undefined>
  /**
   * The log of changes, without end: what {@link ChangesEvent} says, in order. It begins with the full state, unless
   * `since` says from where to continue. While the server is away or answers with an error that passes, it waits and
   * tries again. Nothing is read ahead: the next request is sent when the loop asks for the next event.
   *
   * A loop keeps the process alive. Abort the `signal` to end it; the loop then ends without an error.
   *
   * @throws ApiError for an error that does not pass, such as a wrong key or a wrong `since`
   */
  changes(options?: ChangesOptions): AsyncGenerator<ChangesEvent, void, undefined>
}

/**
 * Creates a client of the HTTP API. It opens no connection before the first call, and needs no closing.
 *
 * @throws ApiError `bad_options`
 */
export function createApiClient(options: ApiClientOptions): ApiClient {
  const to = checked(options)
  const methods = Object.entries(CALLS).map(([name, call]) => [name, methodOf(to, call)])
  const calls: ApiCalls = Object.fromEntries(methods)

  return {
    ...calls,
    async *iterateUsers(fields = {}, callOptions) {
      let cursor: string | undefined
      do {
        const page = await calls.listUsers({ ...fields, cursor }, callOptions)
        yield* page.users
        cursor = page.cursor
      } while (cursor !== undefined)
    },
    changes: changesOptions => readChanges(to, changesOptions),
  }
}

type Call = (typeof CALLS)[keyof typeof CALLS]

/** A method of {@link ApiCalls}: it takes the parameters of the path, the fields if there are any, and options. */
function methodOf(to: CheckedOptions, { method, path, params, sends, isRead, asksToConfirm }: Call) {
  return async (...given: unknown[]): Promise<unknown> => {
    let target: string = path
    for (const param of params) target = target.replace(`{${param}}`, segmentOf(param, given.shift()))
    const fields = sends === 'nothing' ? undefined : given.shift()
    const [options] = given as [CallOptions?]
    const request = {
      method,
      path: sends === 'query' ? target + queryOf(fields as object | undefined) : target,
      isRead,
      ...(sends === 'body' && { body: fields }),
    }
    const { status, body } = await send(to, request, options)
    return asksToConfirm ? { ...(body as object | undefined), confirmed: status !== 202 } : body
  }
}

/** A part of a path. `fetch` resolves the segments "." and "..", also encoded, so it can't send them. */
function segmentOf(name: string, value: unknown): string {
  const text = textOfId(value)
  if (text === undefined) throw invalid(name, 'a text that is not empty, or a whole number')
  if (text === '.' || text === '..')
    throw invalid(name, 'another text than "." or ".."; queryUsers takes them')
  return encodeURIComponent(text)
}
