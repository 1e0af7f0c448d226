import { sleep } from '@who-is-online/testing/client'
import { CopiedUsers } from './copied-users.ts'
import type { Page } from './page.ts'

/** Where a copy finds the servers, and how it behaves. */
export interface CopyOptions {
  /** The origins of all servers. After a failure, a copy goes on with the next one. */
  readonly origins: () => readonly string[]
  readonly random: () => number
  /** Whether it resumes. Without that, it goes on from the present place after a break: the control. */
  readonly resumes: boolean
}

/** A copy that is kept in one of the public ways. */
export interface Copy {
  readonly name: string
  readonly users: CopiedUsers
  /** How it reads, or answers, from now on: well, or badly. */
  behave(isBad: boolean): void
  stop(): Promise<void>
}

/** No epoch has this name, so the server answers with the full state. */
const NOWHERE = '-:0'

/** How long a copy waits before it tries again, in ms. */
const RETRY_MS = 100

/** A copy that asks for what it needs. It reads at its own pace, in a loop that ends with {@link stop}. */
export abstract class ReadingCopy implements Copy {
  abstract readonly name: string
  readonly users = new CopiedUsers()
  protected readonly stopping = new AbortController()
  protected readonly options: CopyOptions
  /** The cursor of the next page of a full state. */
  protected cursor: string | undefined
  protected isBad = false
  #attempts = 0
  #loop: Promise<void> = Promise.resolve()

  constructor(options: CopyOptions) {
    this.options = options
  }

  start(): void {
    this.#loop = this.#run()
  }

  behave(isBad: boolean): void {
    this.isBad = isBad
  }

  async stop(): Promise<void> {
    this.stopping.abort()
    await this.#loop
  }

  /** Reads until something fails, which it throws. */
  protected abstract read(origin: string): Promise<void>

  /** Where the next request begins. */
  protected get since(): string {
    return this.users.place ?? NOWHERE
  }

  protected fold(page: Page): void {
    this.cursor = page.cursor
    this.users.fold(page)
  }

  /** A slow reader waits for longer than the server keeps changes. */
  protected async pause(): Promise<void> {
    if (this.isBad) await sleep(this.options.random() * 500)
  }

  async #run(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      const origins = this.options.origins()
      try {
        await this.read(origins[this.#attempts % origins.length] as string)
      } catch {
        this.#attempts++
        this.cursor = undefined
        if (!this.options.resumes) this.users.place = undefined
        await sleep(RETRY_MS)
      }
    }
  }
}
