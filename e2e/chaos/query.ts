import { WebSocket } from 'ws'
import type { Found } from './choices.ts'

/** Queries users on a new connection. Rejects if there is no reply within ten seconds. */
export function queryUsers(url: string, userIds: readonly string[]): Promise<Map<string, Found>> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${url}?userId=inspector`, ['who-is-online.v2'], { handshakeTimeout: 5_000 })
    const timer = setTimeout(() => {
      reject(new Error('no answer'))
      socket.terminate()
    }, 10_000)
    socket.on('error', error => {
      clearTimeout(timer)
      reject(error)
    })
    socket.on('message', data => {
      const message = JSON.parse(String(data))
      if (message.type === 'welcome') socket.send(JSON.stringify({ type: 'get_users', userIds }))
      if (message.type === 'error') reject(new Error(message.message))
      if (message.type !== 'users') return
      clearTimeout(timer)
      socket.close(1000)
      resolve(new Map(message.users.map((user: Found & { userId: string }) => [user.userId, user])))
    })
  })
}
