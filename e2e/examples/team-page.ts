import type { Page } from 'playwright-core'
import { newContext } from '../browser/stage.ts'

// The pages of the examples have the same form to log in, and show the same members of a team.

/** Opens a page in a browser profile of its own, as each user has one. */
export async function openPage(origin: string): Promise<Page> {
  const page = await (await newContext()).newPage()
  await page.goto(origin)
  return page
}

/** Logs in, and waits until the page shows this member as online. */
export async function logIn(page: Page, name: string): Promise<void> {
  await page.getByLabel('Name').fill(name)
  await page.getByRole('button', { name: 'Log in' }).click()
  await page.getByTitle(`${name}: online`).waitFor()
}

export const logOut = (page: Page) => page.getByRole('button', { name: 'Log out' }).click()
