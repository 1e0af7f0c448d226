import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sleep, TestClient } from '@who-is-online/testing/client'
import { useServer } from '@who-is-online/testing/use-server'
import { Window } from 'happy-dom'
import { expect, test } from 'vitest'
import { WebSocket } from 'ws'

// Runs the examples of the workspace unchanged against a real server. The page runs in a DOM without a browser, so its
// appearance is not tested here. The other examples have lockfiles of their own: see e2e/examples.

const examples = fileURLToPath(new URL('../examples', import.meta.url))
const server = useServer({ OFFLINE_GRACE_MS: 300 })

async function until(holds: () => boolean, what: () => string): Promise<void> {
  const end = Date.now() + 8_000
  while (!holds()) {
    if (Date.now() > end) throw new Error(`timed out waiting for ${holds}; last state: ${what()}`)
    await sleep(10)
  }
}

/** Opens a page of an example as a user. */
function open(html: string, user: string): Window {
  const window = new Window({
    url: `http://localhost/?${new URLSearchParams({ user, url: server.url })}`,
    settings: { enableJavaScriptEvaluation: true, suppressInsecureJavaScriptEnvironmentWarning: true },
  })
  Object.assign(window, { WebSocket })
  const body = /<body>(.*)<\/body>/s.exec(html)?.[1] ?? ''
  window.document.body.innerHTML = body.replaceAll(/<script.*?<\/script>/gs, '')
  return window
}

/** The text of the element with this label. */
function said(window: Window, label: string): string {
  return window.document.querySelector(`[aria-label="${label}"]`)?.textContent ?? ''
}

test('html: two pages see each other, a status and a disconnect', async () => {
  const html = readFileSync(join(examples, 'html/index.html'), 'utf8')
  const address = /<script src="([^"]+\.js)"/.exec(html)?.[1] ?? ''
  const bundle = readFileSync(join(examples, 'html', address), 'utf8')
  const page = /<script>(.*?)<\/script>/s.exec(html)?.[1] ?? ''
  const windows = ['ann', 'bob'].map(user => {
    const window = open(html, user)
    window.eval(`${bundle};${page};window.client = client`)
    return window
  })
  const [ann, bob] = windows as [Window, Window]
  await until(
    () => said(ann, 'People online').includes('bob: online'),
    () => ann.document.body.innerHTML,
  )
  const select = bob.document.querySelector('select')
  if (!select) throw new Error('the page has no <select>')
  select.value = 'busy'
  select.dispatchEvent(new bob.Event('change'))
  await until(
    () => said(ann, 'People online').includes('bob: busy'),
    () => said(ann, 'People online'),
  )
  expect(said(ann, 'Connection')).toBe('open')
  bob.eval('window.client.close()')
  await until(
    () => !said(ann, 'People online').includes('bob'),
    () => said(ann, 'People online'),
  )
  ann.eval('window.client.close()')
  for (const window of windows) await window.happyDOM.close()
})

test('node-bot: greets each user who comes once, and disconnects cleanly', async () => {
  const fan = await TestClient.v2(server, 'early')
  const bot = spawn(process.execPath, ['bot.js'], {
    cwd: join(examples, 'node-bot'),
    env: { ...process.env, PRESENCE_URL: server.url },
  })
  let output = ''
  for (const stream of [bot.stdout, bot.stderr]) stream.on('data', data => (output += data))
  try {
    await until(
      () => output.includes('are online.'),
      () => output,
    )
    fan.send({ type: 'subscribe', userIds: ['greeter'] })
    await fan.next('presence_state')
    const dora = await TestClient.v2(server, 'dora', { username: 'Dora' })
    const told = await fan.next('presence_diff')
    expect(told.users).toMatchObject([{ userId: 'greeter', status: 'online', text: 'Hello, Dora!' }])
    const tab = await TestClient.v2(server, 'dora')
    await sleep(200)
    expect(output.match(/Hello/g)).toHaveLength(1)
    bot.kill('SIGINT')
    const gone = await fan.next('presence_diff')
    expect(gone.users).toMatchObject([{ userId: 'greeter', status: 'offline' }])
    await until(
      () => bot.exitCode !== null,
      () => output,
    )
    expect(bot.exitCode).toBe(0)
    for (const client of [tab, dora, fan]) await client.leave()
  } finally {
    bot.kill('SIGKILL')
  }
})
