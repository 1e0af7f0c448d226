import { TestClient } from '@who-is-online/testing/client'
import { useServer } from '@who-is-online/testing/use-server'
import type { Locator, Page } from 'playwright-core'
import { describe, expect } from 'vitest'
import { violations } from './axe.ts'
import { browserTest, lineOf, newContext, openLivePage, shown } from './stage.ts'

// The live page explains why a user shows as they do, sets a status and ends sessions, through the HTTP API.

const PAGE_KEY = 'p'.repeat(40)
const READ_KEY = 'r'.repeat(40)
const WRITE_KEY = 'w'.repeat(40)

const development = useServer()
const production = useServer({
  ENVIRONMENT: 'production',
  AUTH: 'open',
  DASHBOARD: 'on',
  API_KEY: PAGE_KEY,
  API_KEYS: `reader:read:${READ_KEY},writer:write:${WRITE_KEY}`,
})

const partOf = (page: Page) => page.getByRole('region', { name: 'Explain and change' })
const button = (within: Page | Locator, name: string) => within.getByRole('button', { name, exact: true })

/** Opens the panel of a user. */
async function openPanel(page: Page, userId: string): Promise<Locator> {
  await shown(page, ({ users }) => users[userId] !== undefined)
  await lineOf(page, userId).click()
  return partOf(page)
}

describe('[T12] on a server for development', () => {
  browserTest(
    'the page explains a user, sets the status and ends sessions, each after a confirmation',
    async () => {
      const ann = await TestClient.v2(development, 'ann', { username: 'Ann', device: 'web' })
      const page = await openLivePage(development)
      const loaded: string[] = []
      page.on('response', response => {
        const [, name] = /assets\/(operator-.*)$/.exec(response.url()) ?? []
        if (name) loaded.push(name.replace(/.*\./, `${response.status()} `))
      })
      const part = await openPanel(page, 'ann')
      expect(loaded).toEqual([])
      await button(part, 'Why this status?').click()
      await part.getByText('The user is active in a connection.').waitFor()
      expect(await part.getByRole('list', { name: 'Sessions' }).textContent()).toContain('web')

      // This part of the page is loaded with its first use, and stays.
      expect(loaded.sort()).toEqual(['200 css', '200 js'])

      // Escape and Cancel do nothing, and Escape does not close the panel.
      const dialog = page.getByRole('dialog')
      for (const end of [() => page.keyboard.press('Escape'), () => button(dialog, 'Cancel').click()]) {
        await button(part, 'End sessions…').click()
        await dialog.waitFor()
        await end()
        await dialog.waitFor({ state: 'detached' })
        expect(await part.isVisible()).toBe(true)
      }
      expect(await page.evaluate('document.activeElement.textContent')).toBe('End sessions…')

      await button(part, 'Set status…').click()
      await dialog.getByLabel('Status').selectOption('busy')
      await dialog.getByLabel('Ends').selectOption('In 1 hour')
      await dialog.getByLabel('Text').fill('<b>set</b> by the page')
      await button(dialog, 'Set the status').click()
      await part.getByRole('alert').getByText('The status is set. Others see: busy.').waitFor()
      const { status, text, expiresAt } = await ann.next('status_updated')
      expect([status, text]).toEqual(['busy', '<b>set</b> by the page'])
      expect(Math.abs(Date.parse(String(expiresAt)) - Date.now() - 3_600_000)).toBeLessThan(30_000)
      // What others wrote is text. The page has no such element.
      await part.getByText('<b>set</b> by the page').waitFor()
      expect(await part.locator('dd b').count()).toBe(0)

      const closed = ann.closed
      await button(part, 'End sessions…').click()
      await button(dialog, 'End all sessions').click()
      await part.getByRole('alert').getByText('All sessions have ended.').waitFor()
      expect((await closed).code).toBe(4403)
      await part.getByText('The user has no session.').waitFor()
      await shown(page, ({ users }) => users['ann'] === 'offline')

      await button(part, 'Set status…').click()
      await button(dialog, 'Set the status').click()
      await part
        .getByRole('alert')
        .getByText(/no session: nothing was set/)
        .waitFor()
    },
  )

  browserTest('a keyboard is enough, and the focus stays in the panel when a session is gone', async () => {
    const bob = await TestClient.v2(development, 'bob')
    const page = await openLivePage(development)
    const part = await openPanel(page, 'bob')
    await button(part, 'Why this status?').focus()
    await page.keyboard.press('Enter')
    await part.getByRole('list', { name: 'Sessions' }).waitFor()
    const closed = bob.closed
    for (let n = 0; n < 3; n++) await page.keyboard.press('Tab')
    expect(await page.evaluate('document.activeElement.ariaLabel')).toMatch(/^End the session /)
    await page.keyboard.press('Enter')
    await page.getByRole('dialog', { name: 'End this session?' }).waitFor()
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await part.getByText('The session has ended.').waitFor()
    expect((await closed).code).toBe(4403)
    expect(await page.evaluate('document.activeElement.closest(".panel") !== null')).toBe(true)
  })

  browserTest('if this part of the page can not be loaded, the page says so and the rest works', async () => {
    const zoe = await TestClient.v2(development, 'zoe')
    const page = await openLivePage(development)
    // As a server of another version does, whose files have other names.
    const loads: string[] = []
    await page.route('**/assets/operator-*', route => {
      loads.push(route.request().url())
      return route.fulfill({ status: 404, body: 'Not Found' })
    })
    const part = await openPanel(page, 'zoe')
    const alert = part.getByRole('alert')
    expect([await alert.textContent(), loads]).toEqual(['', []])
    await button(part, 'Set status…').click()
    await alert.getByText('The page could not load this part: reload the page').waitFor()
    expect(loads).not.toEqual([])
    expect(await part.getAttribute('aria-busy')).toBe('false')
    expect(await violations(page)).toEqual([])
    await zoe.leave()
    await shown(page, ({ users }) => users['zoe'] === 'offline')
    // After a reload, the page has the files of the server that runs.
    await page.unroute('**/assets/operator-*')
    await page.reload()
    await button(part, 'Set status…').click()
    await page.getByRole('dialog', { name: 'Set the status' }).waitFor()
  })

  browserTest('if the API is closed to this computer, the page says what to set', async () => {
    const eve = await TestClient.v2(development, 'eve')
    // As a proxy sends it: the request does not come from this machine.
    const page = await openLivePage(development)
    await page.route('**/api/v1/users/**', route =>
      route.continue({ headers: { ...route.request().headers(), 'x-forwarded-for': '203.0.113.7' } }),
    )
    const part = await openPanel(page, 'eve')
    await button(part, 'Why this status?').click()
    await part
      .getByRole('alert')
      .getByText(/^Set API_KEYS on the server: without it, only programs on the same/)
      .waitFor()
    expect(await part.getByLabel('Write key').count()).toBe(0)
    await eve.leave()
  })
})

describe('[T12] with keys', () => {
  const newPage = async () => {
    const context = await newContext({ httpCredentials: { username: 'anybody', password: PAGE_KEY } })
    return openLivePage(production, context)
  }

  browserTest(
    'the page asks for a write key, says why others are refused, and forgets it with the page',
    async () => {
      const ann = await TestClient.v2(production, 'ann', { username: '<img src=x onerror=alert(1)>' })
      const page = await newPage()
      const asked: string[] = []
      page.on('request', request => {
        if (request.url().includes('/api/v1/users/')) asked.push(request.headers()['authorization'] ?? 'none')
      })
      const part = await openPanel(page, 'ann')
      await button(part, 'Why this status?').click()
      const field = part.getByLabel('Write key')
      await expect.poll(() => page.evaluate('document.activeElement.name')).toBe('key')
      // The password of the page is not sent to the API: nothing is asked without a key.
      expect(asked).toEqual([])
      for (const [key, text] of [
        ['x'.repeat(40), 'The key is wrong.'],
        ['not a kéy', /^The key is wrong: .* no spaces/],
        [READ_KEY, 'This key may only read: a write key is needed.'],
        [PAGE_KEY, 'This key may only read: a write key is needed.'],
      ] as const) {
        await field.fill(key)
        await page.keyboard.press('Enter')
        await part.getByRole('alert').getByText(text).waitFor()
        expect(await part.getByRole('heading', { name: /Sessions/ }).count()).toBe(0)
      }
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme })
        expect(await violations(page)).toEqual([])
      }
      await field.fill(WRITE_KEY)
      await button(part, 'Use the key').click()
      await part.getByText('The user is active in a connection.').waitFor()
      expect(asked.at(-1)).toBe(`Bearer ${WRITE_KEY}`)
      expect(asked.filter(header => header.startsWith('Basic'))).toEqual([])
      expect(await page.content()).not.toContain(WRITE_KEY)
      expect(page.url()).not.toContain(WRITE_KEY)
      const kept = await page.evaluate('JSON.stringify([localStorage, sessionStorage, document.cookie])')
      expect(kept).not.toContain(WRITE_KEY)
      await page.locator('.panel h2').getByText('<img src=x').waitFor()
      expect(await page.locator('img').count()).toBe(0)

      await button(part, 'Forget it').click()
      expect(await part.getByRole('heading', { name: /Sessions/ }).count()).toBe(0)
      await button(part, 'Set status…').click()
      await field.fill(WRITE_KEY)
      await page.keyboard.press('Enter')
      // What was asked for continues.
      await page.getByRole('dialog', { name: 'Set the status' }).waitFor()
      await page.reload()
      await button(part, 'Why this status?').click()
      await field.waitFor()
      await ann.leave()
    },
  )
})
