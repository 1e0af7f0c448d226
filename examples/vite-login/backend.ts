import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { json } from 'node:stream/consumers'
import { SignJWT } from 'jose'
import type { Plugin } from 'vite'

// Stands in for your own backend: anybody may log in, and sessions are in memory. Only `presenceToken` is for presence.

interface User {
  readonly id: string
  readonly name: string
}

const sessions = new Map<string, User>()

/** The same secret as `AUTH_SECRET` of the presence server. */
const secret = new TextEncoder().encode(process.env['PRESENCE_SECRET'] ?? 'a-secret-for-development-only-32')
const lifetime = process.env['TOKEN_LIFETIME'] ?? '10m'

/** A short token that says who connects. The client asks for the next one before it expires. */
function presenceToken({ id, name }: User): Promise<string> {
  return new SignJWT({ sub: id, name })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime(lifetime)
    .sign(secret)
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const key = /session=([^;]+)/.exec(request.headers.cookie ?? '')?.[1] ?? ''
  const user = sessions.get(key)
  if (request.url === '/login') {
    const { name } = (await json(request)) as { name: string }
    const session = randomUUID()
    sessions.set(session, { id: name.toLowerCase(), name })
    response.setHeader('Set-Cookie', `session=${session}; HttpOnly; SameSite=Lax; Path=/`)
    response.end(JSON.stringify(sessions.get(session)))
  } else if (request.url === '/logout') {
    sessions.delete(key)
    response.end()
  } else if (!user) {
    response.writeHead(401).end()
  } else if (request.url === '/presence-token') {
    response.end(await presenceToken(user))
  } else {
    response.end(JSON.stringify(user))
  }
}

/** Serves `/api` in `vite` and in `vite preview`. */
export function backend(): Plugin {
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    answer(request, response).catch(() => response.writeHead(400).end())
  }
  return {
    name: 'backend',
    configureServer: ({ middlewares }) => void middlewares.use('/api', handle),
    configurePreviewServer: ({ middlewares }) => void middlewares.use('/api', handle),
  }
}
