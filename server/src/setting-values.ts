import { BlockList, isIP } from 'node:net'
import { parseRedisUrl } from './cluster/redis-url.ts'
import { webOrigin } from './web-origin.ts'

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

/** The URL of a Redis; see {@link parseRedisUrl}. */
export const redisUrl: Values<string> = {
  allowed:
    '`redis://HOST:PORT`, `redis-sentinel://HOST:PORT,HOST:PORT/NAME` or `redis-cluster://HOST:PORT,HOST:PORT`',
  parse(value) {
    parseRedisUrl(value)
    return value
  },
}

/** A short name of letters, digits, `.`, `_`, `:` and `-`. */
export const shortName: Values<string> = {
  allowed: '1 to 64 letters, digits, `.`, `_`, `:` and `-`',
  parse(value) {
    if (/^[\w.:-]{1,64}$/.test(value)) return value
    throw new Error('1 to 64 letters, digits, ".", "_", ":" and "-"')
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
      'an IP address or a host name, without scheme, port or path; 0.0.0.0 stands for all interfaces',
    )
  },
}

/** Origins of web pages and apps, in their normal form. */
export const origins: Values<readonly string[]> = {
  allowed: 'a list of origins, separated by commas',
  parse: value =>
    itemsOf(value).map(item => {
      const origin = webOrigin(item)
      if (origin !== undefined) return origin
      throw new Error(
        `a list of origins such as https://app.example.com, separated by commas; ${JSON.stringify(item)} is not an origin`,
      )
    }),
}

/** Names of this server, without ports, in lower case. */
export const hosts: Values<readonly string[]> = {
  allowed: 'a list of host names, separated by commas',
  parse: value =>
    itemsOf(value).map(item => {
      if (/^[\w-]+(\.[\w-]+)*$/.test(item)) return item.toLowerCase()
      throw new Error(
        `a list of host names such as presence.example.com, without schemes and ports; ${JSON.stringify(item)} is not a host name`,
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
    for (const item of itemsOf(value)) {
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

/** The shortest secret of HS256, in bytes (RFC 7518, section 3.2). */
const MIN_SECRET_BYTES = 32

/** Secrets with which tokens are signed, as bytes of UTF-8. */
export const secrets: Values<readonly string[]> = {
  allowed: `a list of secrets, separated by commas, each at least ${MIN_SECRET_BYTES} bytes`,
  parse(value) {
    const all = itemsOf(value)
    if (all.some(secret => secret.startsWith('-----BEGIN'))) {
      throw new Error(
        'a secret, not a key in PEM form: anybody may know a public key, so set AUTH_JWKS_URL instead',
      )
    }
    if (all.length > 0 && all.every(secret => Buffer.byteLength(secret) >= MIN_SECRET_BYTES)) return all
    throw new Error(
      `a list of secrets, separated by commas, each at least ${MIN_SECRET_BYTES} bytes, such as openssl rand -base64 32 prints`,
    )
  },
}

/** Any texts, or the word `any`. */
export function list(allowed: string): Values<readonly string[] | 'any'> {
  return {
    allowed,
    parse(value) {
      const items = itemsOf(value)
      if (items.includes('any') || items.length === 0) {
        if (items.length === 1) return 'any'
        throw new Error('a list of texts, separated by commas, or only the word any')
      }
      return items
    },
  }
}

/** What {@link safeUrl} takes, for an error text. */
const SAFE_URL = 'an https URL; http only on this machine (localhost, 127.0.0.1 or [::1])'

/** Whether a text is a URL whose answers nobody on the network can change: https, or a server of this machine. */
export function isSafeUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname, username, password } = new URL(text)
  if (username !== '' || password !== '') return false
  const isLoopback = hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname)
  return protocol === 'https:' || (protocol === 'http:' && isLoopback)
}

/** The URL of another server. */
export const safeUrl: Values<string> = {
  allowed: SAFE_URL,
  parse(value) {
    if (isSafeUrl(value)) return value
    throw new Error(`${SAFE_URL}, without a user name or password in it`)
  },
}

/** Issuers of tokens, as in the claim `iss`. */
export const issuers: Values<readonly string[]> = {
  allowed: 'a list of https URLs, separated by commas',
  parse(value) {
    const all = itemsOf(value)
    if (all.length > 0 && all.every(item => isSafeUrl(item) && !/[?#]/.test(item))) return all
    throw new Error(
      'a list of issuers such as https://example.eu.auth0.com/, each an https URL (http only on this machine)',
    )
  },
}

/** The name of a claim in a token, or a path of names. */
export const claim: Values<string> = { allowed: 'the name of a claim', parse: value => value }

/** The name of a cookie. */
export const cookieName: Values<string> = {
  allowed: 'the name of a cookie',
  parse: tokenOf('the name of a cookie'),
}

/** The name of a request header, in lower case. */
export const headerName: Values<string> = {
  allowed: 'the name of a header',
  parse: value => tokenOf('the name of a header')(value).toLowerCase(),
}

/** Reads a token of HTTP (RFC 9110, section 5.6.2): the names of headers and cookies are such. */
function tokenOf(what: string): (value: string) => string {
  return value => {
    if (/^[!#$%&'*+.^_`|~\w-]+$/.test(value)) return value
    throw new Error(`${what}, without spaces and separators`)
  }
}

/** The items of a list that is separated by commas, without white space around them. */
export function itemsOf(value: string): string[] {
  return value
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== '')
}
