import { TestClient } from '@who-is-online/testing/client'
import { expect, test } from 'vitest'
import { openGateway } from './gateway.contract.ts'

test('[C2] a bug in an answer is logged and ends that client with 4500, and nobody else', async () => {
  const server = await openGateway()
  const [unlucky, other] = [await TestClient.as(server, 'unlucky'), await TestClient.as(server, 'other')]
  server.presence.see = () => {
    throw new Error('planted')
  }
  unlucky.send({ type: 'check_user_status', targetUserId: 'x' })
  expect(await unlucky.closed).toEqual({ code: 4500, reason: 'our fault' })
  expect(server.errors).toEqual([expect.stringContaining('planted')])
  expect(await other.ask({ type: 'get_online_count' }, 'online_count')).toMatchObject({
    type: 'online_count',
  })
  expect(server.gateway.connections).toBe(1)
  await other.leave()
  server.http.close()
})
