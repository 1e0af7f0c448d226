import { BlockList, isIP } from 'node:net'

// The kinds of values that settings take: how a text becomes a value, and how the documentation describes it.

/** The values that a setting takes. */
export interface Values<Value> {
  /** The values as the documentation shows them, such as `0 to 3,600,000 ms`. */
  readonly allowed: string
  /** What a number counts, if the documentation must say it. */
  readonly unit?: Unit
  /** @throws Error whose message completes the sentence "NAME must be …". */
  readonly parse: (text: string) => Value
}

export type Unit = 'ms' | 'bytes' | 'days'

/** Any text, described by what it names. */
export function text(allowed: string): Values<string> {
  return { allowed, parse: value => value }
}

/**
 * A secret that cannot be guessed: 32 characters are as long as 24 random bytes in base64. All its characters may stand
 * in a header.
 */
export const key: Values<string> = {
  allowed: 'at least 32 printable ASCII characters without spaces',
  parse(value) {
    if (/^[!-~]{32,}$/.test(value)) return value
    throw new Error(
      'at least 32 printable ASCII characters without spaces, such as openssl rand -base64 32 prints',
    )
  },
}

/** A whole number from `min` to `max`. Without `max` there is no upper bound. */
export function whole(min: number, max?: number, unit?: Unit): Values<number> {
  const counted = (value: number): string =>
    `${value.toLocaleString('en-US')}${unit === undefined ? '' : ` ${unit}`}`
  const expected = max === undefined ? `of at least ${min}` : `from ${min} to ${max}`
  return {
    allowed:
      max === undefined ? `${counted(min)} or more` : `${min.toLocaleString('en-US')} to ${counted(max)}`,
    ...(unit && { unit }),
    parse(value) {
      const number = Number(value)
      const isInRange = number >= min && number <= (max ?? Number.MAX_SAFE_INTEGER)
      if (/^\d+$/.test(value) && isInRange) return number
      throw new Error(`a whole number ${expected}`)
    },
  }
}

/** One of some words, compared without case. */
export function oneOf<Word extends string>(...words: Word[]): Values<Word> {
  return {
    allowed: words
      .map(word => `\`${word}\``)
      .join(', ')
      .replace(/, ([^,]*)$/, ' or $1'),
    parse(value) {
      const word = words.find(known => known === value.toLowerCase())
      if (word === undefined) throw new Error(words.map(known => `"${known}"`).join(' or '))
      return word
    },
  }
}

/** An address or a host name. An IPv6 address may stand in brackets; the value has none. */
export const host: Values<string> = {
  allowed: 'an IP address or a host name',
  parse(value) {
    const bare = value.replace(/^\[(.*)\]$/, '$1')
    if (isIP(bare) !== 0 || /^[\w.-]+$/.test(bare)) return bare
    throw new Error(
      'an IP address or a host name, without scheme, port or path; unset it to listen on all interfaces',
    )
  },
}

/** Origins of web pages, each as a browser sends it. */
export const origins: Values<readonly string[]> = {
  allowed: 'a list of origins, separated by commas',
  parse: value =>
    list(value).map(item => {
      if (URL.canParse(item) && new URL(item).origin === item) return item
      throw new Error(
        `a list of origins such as https://app.example.com, separated by commas; ${JSON.stringify(item)} is not an origin`,
      )
    }),
}

/** The proxies whose `X-Forwarded-For` is believed: the last `hops`, or those whose address is in `ranges`. */
export type TrustProxy =
  | { readonly kind: 'hops'; readonly hops: number }
  | { readonly kind: 'ranges'; readonly ranges: BlockList }

/** A number of proxies, or their addresses. */
export const proxies: Values<TrustProxy> = {
  allowed: 'a number of proxies, or a list of CIDR ranges, separated by commas',
  parse(value) {
    if (/^\d{1,2}$/.test(value)) return { kind: 'hops', hops: Number(value) }
    const ranges = new BlockList()
    for (const item of list(value)) {
      const [address = '', prefix = ''] = item.split('/')
      const family = isIP(address)
      const bits = Number(prefix)
      if (family === 0 || !/^\d+$/.test(prefix) || bits > (family === 6 ? 128 : 32)) {
        throw new Error(
          `a number of proxies, or a list of CIDR ranges such as 10.0.0.0/8; ${JSON.stringify(item)} is neither`,
        )
      }
      ranges.addSubnet(address, bits, family === 6 ? 'ipv6' : 'ipv4')
    }
    return { kind: 'ranges', ranges }
  },
}

function list(value: string): string[] {
  return value
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== '')
}
