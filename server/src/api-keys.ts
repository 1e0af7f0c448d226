import { itemsOf, type Values } from './setting-values.ts'

/** What the holder of a key may do. `write` includes `read`. */
export type KeyRight = 'read' | 'write'

/** A key of the HTTP API. */
export interface ApiKey {
  /** The name of the key, for logs. */
  readonly name: string
  readonly right: KeyRight
  readonly key: string
}

const EXPECTED =
  'a list of NAME:read:KEY or NAME:write:KEY, separated by commas; NAME has 1 to 64 letters, digits, ".", "_" and "-"; KEY has at least 32 printable ASCII characters without spaces and commas'

/** An entry of the list. A key may contain colons. */
const ENTRY = /^([\w.-]{1,64}):(read|write):([!-~]{32,})$/

/** The keys of the HTTP API. An error says which entry is wrong by its number: the text itself may contain a key. */
export const apiKeys: Values<readonly ApiKey[]> = {
  allowed: 'a list of `NAME:read:KEY` or `NAME:write:KEY`, separated by commas',
  parse(value) {
    const keys: ApiKey[] = []
    for (const [index, item] of itemsOf(value).entries()) {
      const [, name, right, key] = ENTRY.exec(item) ?? []
      if (name === undefined || key === undefined) throw new Error(`${EXPECTED}. Entry ${index + 1} is not`)
      if (keys.some(other => other.name === name || other.key === key)) {
        throw new Error(
          `a list in which each name and each key stands once. Entry ${index + 1} repeats an earlier one`,
        )
      }
      keys.push({ name, right: right as KeyRight, key })
    }
    if (keys.length === 0) throw new Error(EXPECTED)
    return keys
  },
}
