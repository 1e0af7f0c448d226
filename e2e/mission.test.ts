import { TestClient } from '@who-is-online/testing/client'
import { startServer, temporaryDir } from '@who-is-online/testing/start-server'
import { useServer } from '@who-is-online/testing/use-server'
import { expect, test } from 'vitest'

// Every message of protocol v1 on a real socket, byte for byte: except for times and the user id, a text must
// equal its documented example.

const server = useServer()

/** Replaces the times in a text. A time that is not ISO 8601 in UTC with milliseconds is not replaced. */
const shape = (text: string) => text.replaceAll(/"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"/g, '"TIME"')

test('[W1] welcome is the first message', async () => {
  const client = await TestClient.open(`${server.url}?userId=123`)
  expect(await client.text()).toBe('{"type":"welcome","userId":"123","message":"Connected to server"}')
  await client.leave()
})

test('[W2] get_online_count is answered with online_count', async () => {
  const client = await TestClient.as(server, 'w2')
  client.send('{ "type": "get_online_count" }')
  expect(shape(await client.text())).toBe('{"type":"online_count","count":1,"timestamp":"TIME"}')
  await client.leave()
})

test('[W3] check_user_status is answered with user_status, for users online, offline and unknown', async () => {
  const client = await TestClient.as(server, '123')
  const ask = async (target: string) => {
    client.send(`{ "type": "check_user_status", "targetUserId": ${target} }`)
    return shape(await client.text())
  }
  expect(await ask('"123"')).toBe('{"type":"user_status","userId":"123","online":true,"lastSeen":"TIME"}')
  expect(await ask('123')).toBe('{"type":"user_status","userId":"123","online":true,"lastSeen":"TIME"}')
  expect(await ask('"w2"')).toBe('{"type":"user_status","userId":"w2","online":false,"lastSeen":"TIME"}')
  expect(await ask('"?"')).toBe('{"type":"user_status","userId":"?","online":false,"lastSeen":null}')
  await client.leave()
})

test('[W4] set_status is answered with status_updated, and all clients receive user_status_change', async () => {
  const watcher = await TestClient.as(server, 'watcher')
  const client = await TestClient.as(server, '1234')
  expect(shape(await watcher.text())).toBe(
    '{"type":"user_status_change","userId":"1234","status":"online","timestamp":"TIME"}',
  )
  for (const status of ['offline', 'online']) {
    client.send(`{ "type": "set_status", "status": "${status}" }`)
    expect(shape(await client.text())).toBe(
      `{"type":"status_updated","status":"${status}","timestamp":"TIME"}`,
    )
    const change = `{"type":"user_status_change","userId":"1234","status":"${status}","timestamp":"TIME"}`
    expect(shape(await client.text())).toBe(change)
    expect(shape(await watcher.text())).toBe(change)
  }
  client.send('{ "type": "set_status", "status": "online" }')
  expect(shape(await client.text())).toBe('{"type":"status_updated","status":"online","timestamp":"TIME"}')
  await client.leave()
  expect(shape(await watcher.text())).toBe(
    '{"type":"user_status_change","userId":"1234","status":"offline","timestamp":"TIME"}',
  )
  expect(client.texts).toEqual([])
  await watcher.leave()
})

test('[W5] identify has no reply, and the name is in all_users', async () => {
  const client = await TestClient.as(server, 'w5')
  client.send('{ "type": "identify", "username": "john_doe" }')
  const { users } = await client.ask('{ "type": "get_all_users" }', 'all_users')
  expect(users[0]).toEqual({
    userId: 'w5',
    status: 'online',
    lastSeen: expect.any(String),
    username: 'john_doe',
  })
  expect(client.texts).toEqual([])
  await client.leave()
})

test('[W6] get_all_users is answered with all_users: every known user, online ones first', async () => {
  const own = temporaryDir()
  const fresh = await startServer(own.path)
  const gone = await TestClient.as(fresh, 'gone')
  const client = await TestClient.as(fresh, '123')
  await gone.leave()
  await client.next('user_status_change')
  client.send('{ "type": "get_all_users" }')
  expect(shape(await client.text())).toBe(
    '{"type":"all_users","users":[{"userId":"123","status":"online","lastSeen":"TIME"},' +
      '{"userId":"gone","status":"offline","lastSeen":"TIME"}],"timestamp":"TIME"}',
  )
  await fresh.end('SIGTERM')
  own.remove()
})

test('[W7] an invalid message is answered with error, and the connection stays open', async () => {
  const client = await TestClient.as(server, 'w7')
  const refused = async (text: string) => {
    client.send(text)
    const answer = await client.text()
    expect(shape(answer)).toMatch(/^\{"type":"error","message":".*","timestamp":"TIME"\}$/)
    return JSON.parse(answer).message
  }
  expect(await refused('{')).toBe('bad_json: the message is not JSON')
  expect(await refused('{"type":"dance"}')).toMatch(
    /^unknown_type: "type" is "dance"; known types are get_online/,
  )
  expect(await refused('{"type":"check_user_status"}')).toMatch(
    /^bad_message: "targetUserId" is missing; it must be/,
  )
  expect(await refused('{"type":"set_status","status":"busy"}')).toBe(
    'bad_message: "status" must be "online" or "offline"',
  )
  expect(await refused('{"type":"identify","username":""}')).toMatch(
    /^bad_message: "username" must be a string/,
  )
  await client.ask('{"type":"get_online_count"}', 'online_count')
  await client.leave()
})
