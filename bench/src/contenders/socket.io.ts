// Contender `socket.io`: the same presence server on socket.io 4, one `emit` per change.
import { createServer } from 'node:http'
import { Server } from 'socket.io'
import { address, isSilent, noTimeouts, socketIoTimeouts } from './settings.ts'

interface User {
  status: string
  lastSeen: string
}

const users = new Map<string, User>()
const server = createServer(noTimeouts, (_request, response) => response.end())
const io = new Server(server, { transports: ['websocket'], serveClient: false, ...socketIoTimeouts })

io.on('connection', socket => {
  const userId = String(socket.handshake.query.userId)
  const user: User = { status: 'online', lastSeen: now() }
  users.set(userId, user)
  socket.emit('message', { type: 'welcome', userId, message: 'Connected to server' })
  if (!isSilent) {
    socket.broadcast.emit('message', {
      type: 'user_status_change',
      userId,
      status: 'online',
      timestamp: now(),
    })
  }
  socket.on('message', message => {
    user.lastSeen = now()
    switch (message.type) {
      case 'get_online_count': {
        const count = [...users.values()].filter(other => other.status === 'online').length
        return socket.emit('message', { type: 'online_count', count, timestamp: now(), id: message.id })
      }
      case 'check_user_status': {
        const target = users.get(message.targetUserId)
        return socket.emit('message', {
          type: 'user_status',
          userId: message.targetUserId,
          online: target?.status === 'online',
          lastSeen: target?.lastSeen ?? null,
          id: message.id,
        })
      }
      case 'set_status':
        user.status = message.status
        socket.emit('message', { type: 'status_updated', status: message.status, timestamp: now() })
        io.emit('message', { type: 'user_status_change', userId, status: message.status, timestamp: now() })
    }
  })
  socket.on('disconnect', () => users.delete(userId))
})

function now(): string {
  return new Date().toISOString()
}

server.listen(address)
