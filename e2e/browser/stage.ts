import { join } from 'node:path'
import { sleep } from '@who-is-online/testing/client'
import { startBrowser } from '@who-is-online/testing/start-browser'
import type { RunningServer } from '@who-is-online/testing/start-server'
import type { Browser, BrowserContext, BrowserContextOptions, Locator, Page } from 'playwright-core'
import { afterAll, afterEach, expect, test } from 'vitest'

// Helpers of the tests with a real browser: one browser per file, and a page that keeps a diary of what it
// shows.

/** `undefined` if no browser could be started. */
export const browser = await startBrowser()

/** A test that is skipped visibly if there is no browser. */
export const browserTest = test.skipIf(browser === undefined)

const contexts: BrowserContext[] = []
const complaints: string[] = []
afterEach(async () => {
  await Promise.all(contexts.splice(0).map(context => context.close()))
  expect(complaints.splice(0)).toEqual([])
})
afterAll(() => browser?.close())

/** A browser profile. Its windows are closed at the end of the test. */
export async function newContext(options: BrowserContextOptions = {}): Promise<BrowserContext> {
  const context = await (browser as Browser).newContext({ locale: 'en-US', ...options })
  contexts.push(context)
  await context.addInitScript({ path: join(import.meta.dirname, 'diary.js') })
  context.on('weberror', error => complaints.push(String(error.error())))
  context.on('console', message => {
    if (message.text().includes('Content Security Policy')) complaints.push(message.text())
  })
  return context
}

/** Opens the live page, and waits until it shows the current state. */
export async function openLivePage(server: RunningServer, context?: BrowserContext): Promise<Page> {
  const page = await (context ?? (await newContext())).newPage()
  await page.goto(`${server.origin}/`)
  await page.locator('main[data-trust="live"]').waitFor()
  return page
}

/** Fills in and submits the form of the live page, which stays open. Only a server for development has it. */
export async function connectAs(page: Page, userId: string, name = ''): Promise<void> {
  await page.getByRole('button', { name: 'Connect as…' }).click()
  await page.getByLabel('User id').fill(userId)
  await page.getByLabel('Name').fill(name)
  await page.getByRole('button', { name: 'Connect', exact: true }).click()
}

/** The row of a user in the list. */
export function lineOf(page: Page, userId: string): Locator {
  return page.locator(`[data-user="${userId}"]`)
}

/** What a page showed at a time; `users` has the status of each row by its label. */
export interface Shown {
  readonly at: number
  readonly trust: string
  readonly rows: number
  readonly users: Readonly<Record<string, string>>
}

/** The time of the last click or selection in a page, in ms since the epoch. */
export function lastActionAt(page: Page): Promise<number> {
  return page.evaluate<number>('window.lastActionAt')
}

/** A computed style of an element, or of its pseudo-element. */
export function styleOf(page: Page, selector: string, property: string, pseudo = ''): Promise<string> {
  const [element, part] = [`document.querySelector(${JSON.stringify(selector)})`, JSON.stringify(pseudo)]
  return page.evaluate<string>(`getComputedStyle(${element}, ${part})[${JSON.stringify(property)}]`)
}

/** Everything that a page has shown so far, oldest first; see diary.js. */
export function diary(page: Page): Promise<Shown[]> {
  return page.evaluate<Shown[]>('window.whatWasShown')
}

/** Waits for the first matching diary entry after `since`. Rejects if none comes in time. */
export async function shown(page: Page, isWanted: (entry: Shown) => boolean, since = 0): Promise<Shown> {
  const until = Date.now() + 15_000
  for (;;) {
    const entries = await diary(page)
    const entry = entries.find(entry => entry.at >= since && isWanted(entry))
    if (entry) return entry
    if (Date.now() > until) throw new Error(`not shown; the last was ${JSON.stringify(entries.at(-1))}`)
    await sleep(30)
  }
}
