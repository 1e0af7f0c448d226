import type { Browser, CDPSession } from 'playwright-core'

/** The time between two turns of a page, in ms. */
const TURN_MS = 20

/** Runs in the page before its own scripts: `aheadMs` moves its clock, and `turns` counts a timer. */
const PRELUDE = `
  window.aheadMs = 0
  const now = Date.now
  Date.now = () => now() + aheadMs
  window.turns = 0
  setInterval(() => turns++, ${TURN_MS})
`

/**
 * A page that Chromium can freeze. Chromium freezes hidden pages only, and Playwright keeps all of its pages visible.
 * So this page belongs to a profile that Playwright does not know, and gets its commands from here.
 */
export class FreezablePage {
  readonly #browser: CDPSession
  readonly #sessionId: string
  readonly #answers = new Map<number, (answer: Answer) => void>()
  #sent = 0

  private constructor(browser: CDPSession, sessionId: string) {
    this.#browser = browser
    this.#sessionId = sessionId
    browser.on('Target.receivedMessageFromTarget', event => {
      if (event.sessionId !== sessionId) return
      const answer: Answer = JSON.parse(event.message)
      this.#answers.get(answer.id)?.(answer)
      this.#answers.delete(answer.id)
    })
  }

  /** Opens a page in a profile of its own. It is closed with the browser. */
  static async open(browser: Browser, url: string): Promise<FreezablePage> {
    const cdp = await browser.newBrowserCDPSession()
    const { browserContextId } = await cdp.send('Target.createBrowserContext')
    const { targetId } = await cdp.send('Target.createTarget', { url: 'about:blank', browserContextId })
    const { sessionId } = await cdp.send('Target.attachToTarget', { targetId })
    const page = new FreezablePage(cdp, sessionId)
    await page.#send('Page.enable')
    await page.#send('Page.addScriptToEvaluateOnNewDocument', { source: PRELUDE })
    await page.#send('Page.navigate', { url })
    return page
  }

  /** The value of an expression in the page. It is evaluated also while the page is frozen. */
  async evaluate(expression: string): Promise<unknown> {
    const answer = await this.#send('Runtime.evaluate', { expression, returnByValue: true })
    return answer.result.result?.value
  }

  /** Sets how much later it is for the page than for this machine, and presses a key. */
  async use(aheadMs: number): Promise<void> {
    await this.evaluate(`aheadMs = ${aheadMs}`)
    await this.#send('Input.dispatchKeyEvent', { type: 'keyDown', key: 'a' })
    await this.#send('Input.dispatchKeyEvent', { type: 'keyUp', key: 'a' })
  }

  /** Hides the page and stops its timers. Its socket stays open. */
  async freeze(): Promise<void> {
    await this.#send('Page.setWebLifecycleState', { state: 'frozen' })
  }

  /** Lets the page run again, and shows it. */
  async resume(): Promise<void> {
    await this.#send('Page.setWebLifecycleState', { state: 'active' })
    await this.#send('Page.bringToFront')
  }

  #send(method: string, params: object = {}): Promise<Answer> {
    const id = ++this.#sent
    const message = JSON.stringify({ id, method, params })
    return new Promise((resolve, reject) => {
      this.#answers.set(id, answer => {
        if (answer.error) reject(new Error(`${method}: ${answer.error.message}`))
        else resolve(answer)
      })
      this.#browser.send('Target.sendMessageToTarget', { message, sessionId: this.#sessionId }).catch(reject)
    })
  }
}

/** An answer of the page, as far as it is used here. */
interface Answer {
  readonly id: number
  readonly error?: { readonly message: string }
  readonly result: { readonly result?: { readonly value: unknown } }
}
