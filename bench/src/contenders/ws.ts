// Contender `ws`: a presence server on the `ws` package as it is usually written: `send` to each client per
// change.
import { createServer } from 'node:http'
import { type WebSocket, WebSocketServer } from 'ws'
import { address, isSilent, noTimeouts } from './settings.ts'

interface User {
  socket: WebSocket
  status: string
  lastSeen: string
}

const users = new Map<string, User>()
const server = createServer(noTimeouts, (_request, response) => response.end())
const sockets = new WebSocketServer({ server, path: '/ws' })

sockets.on('connection', (socket, request) => {
  const userId = new URL(request.url ?? '', 'http://localhost').searchParams.get('userId') ?? ''
  send(socket, { type: 'welcome', userId, message: 'Connected to server' })
  if (!isSilent) broadcast({ type: 'user_status_change', userId, status: 'online', timestamp: now() })
  users.set(userId, { socket, status: 'online', lastSeen: now() })
  socket.on('message', data => {
    const message: { type: string; status: string; targetUserId: string; id?: number } = JSON.parse(
      data.toString(),
    )
    const user = users.get(userId)
    if (!user) return
    user.lastSeen = now()
    switch (message.type) {
      case 'get_online_count': {
        const count = [...users.values()].filter(other => other.status === 'online').length
        return send(socket, { type: 'online_count', count, timestamp: now(), id: message.id })
      }
      case 'check_user_status': {
        const target = users.get(message.targetUserId)
        return send(socket, {
          type: 'user_status',
          userId: message.targetUserId,
          online: target?.status === 'online',
          lastSeen: target?.lastSeen ?? null,
          id: message.id,
        })
      }
      case 'set_status':
        user.status = message.status
        send(socket, { type: 'status_updated', status: message.status, timestamp: now() })
        broadcast({ type: 'user_status_change', userId, status: message.status, timestamp: now() })
    }
  })
  socket.on('close', () => users.delete(userId))
})

function broadcast(message: object): void {
  const text = JSON.stringify(message)
  for (const user of users.values()) user.socket.send(text)
}

function send(socket: WebSocket, message: object): void {
  socket.send(JSON.stringify(message))
}

function now(): string {
  return new Date().toISOString()
}

server.listen(address)
