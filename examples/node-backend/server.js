import { createServer } from 'node:http'
import { presence, tokenOf } from './presence.js'

// Stands in for your users and sessions: a request with the cookie `user=ann` is from ann.
const users = new Map(
  ['Ann', 'Bob', 'Cem'].map(name => [name.toLowerCase(), { id: name.toLowerCase(), name }]),
)
const userOf = request => users.get(/user=(\w+)/.exec(request.headers.cookie ?? '')?.[1])

const routes = {
  /** The page's `getToken` fetches this. */
  async 'GET /presence-token'(user) {
    return tokenOf(user)
  },

  /** The team with the current state of each member. */
  async 'GET /team'() {
    const states = await presence.getUsers([...users.keys()])
    return states.map(({ userId, status, lastSeen }) => ({ ...users.get(userId), status, lastSeen }))
  },

  /** Mentions a user in a comment: who is not online gets an email. */
  async 'POST /mention'(_user, query) {
    const [mentioned] = await presence.getUsers(query.get('id') ?? '')
    if (mentioned.status !== 'offline') return { email: false }
    console.log(`email to ${mentioned.userId}`)
    return { email: true }
  },
}

async function answer(request, response) {
  const url = new URL(request.url, 'http://localhost')
  const route = routes[`${request.method} ${url.pathname}`]
  const user = userOf(request)
  if (!route) return response.writeHead(404).end()
  if (!user) return response.writeHead(401).end()
  const body = await route(user, url.searchParams)
  response.end(typeof body === 'string' ? body : JSON.stringify(body))
}

const server = createServer((request, response) => {
  answer(request, response).catch(error => {
    // Presence is optional: without it, the application goes on.
    console.error(error.message)
    response.writeHead(503).end()
  })
})
server.listen(Number(process.env.PORT ?? 3000), () => {
  console.log(`listening on http://localhost:${server.address().port}`)
})

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    presence.close()
    server.close()
  })
}
