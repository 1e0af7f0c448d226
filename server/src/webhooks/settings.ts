import type { Setting } from '../setting.ts'
import { itemsOf, type Values } from '../setting-values.ts'
import { secretIn } from './signature.ts'

/** How many secrets there may be: the old and the new one while a secret is replaced. */
const MAX_SECRETS = 2

const urls: Values<readonly string[]> = {
  allowed: 'a list of http or https URLs, separated by commas',
  parse(value) {
    const all = itemsOf(value)
    const wrong = all.find(item => !isEndpoint(item))
    if (all.length === 0 || wrong !== undefined) {
      throw new Error(
        'a list of http or https URLs such as https://app.example.com/presence, separated by commas, without a user name or password in them',
      )
    }
    if (new Set(all).size < all.length) throw new Error('a list in which each URL stands once')
    return all
  },
}

const webhookSecrets: Values<readonly Buffer[]> = {
  allowed: `one or two secrets, separated by a comma, each \`whsec_\` and 24 to 64 bytes in base64`,
  parse(value) {
    const all = itemsOf(value).map(secretIn)
    const secrets = all.filter(secret => secret !== undefined)
    if (secrets.length === all.length && all.length > 0 && all.length <= MAX_SECRETS) return secrets
    throw new Error(
      'one or two secrets, separated by a comma, each whsec_ and 24 to 64 bytes in base64, such as echo "whsec_$(openssl rand -base64 32)" prints',
    )
  },
}

function isEndpoint(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, username, password } = new URL(text)
  return (protocol === 'http:' || protocol === 'https:') && username === '' && password === ''
}

/** The rows of the table of settings that say where changes are sent. */
export const webhookSettings = {
  WEBHOOK_URLS: {
    group: 'webhooks',
    default: null,
    unset: 'no webhooks are sent',
    values: urls,
    meaning:
      'The endpoints of your backends that get every change of presence, in order, as signed POST requests. The server is told these URLs by you, so they may be private addresses. Redirects are not followed. It needs WEBHOOK_SECRET. In a cluster, set both on all nodes: one of them sends.',
    whenToChange: 'A backend of yours keeps a copy of presence, or acts when a user comes or goes.',
  },
  WEBHOOK_SECRET: {
    group: 'webhooks',
    default: null,
    unset: 'WEBHOOK_URLS must be unset too',
    values: webhookSecrets,
    isSecret: true,
    meaning:
      'The secret with which webhooks are signed, in the form of Standard Webhooks. With two secrets, each request has two signatures, so you can change a secret without an interruption.',
    whenToChange:
      'You set WEBHOOK_URLS. Make a secret with echo "whsec_$(openssl rand -base64 32)". To replace it, add the new one, change the endpoints, and remove the old one.',
  },
} as const satisfies Record<string, Setting<unknown>>
