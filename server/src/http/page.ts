import { createHash } from 'node:crypto'
import { type RequestHandler, Router } from 'express'
import { requireKey } from './api-key.ts'
import { readOnly } from './methods.ts'

/** A line of JavaScript to paste into the console of a browser, on a page of this server. */
function consoleLine(parameters: string): string {
  return `ws = new WebSocket(location.origin.replace('http', 'ws') + '/ws?${parameters}'); ws.onmessage = e => console.log(e.data)`
}

const style = `
:root { color-scheme: light dark }
body { font: 1.125rem/1.6 system-ui, sans-serif; max-width: 42rem; margin: 4rem auto; padding: 0 1rem }
code { overflow-wrap: anywhere; background: color-mix(in srgb, currentColor 10%, transparent); padding: 0.1em 0.3em; border-radius: 0.3em }
`

/** The hash with which the content security policy allows the inline style of the page below. */
export const styleHash = `'sha256-${createHash('sha256').update(style).digest('base64')}'`

/** How to connect by hand, to a server that believes user ids and to one that requires tokens. */
const OPEN = `Open this browser’s console (F12) and paste
<code>${consoleLine('userId=ann')}</code>
to be online as <code>ann</code>. Do the same in a second tab with another name: the first tab receives the change.
Then run <code>ws.send('{"type":"get_all_users"}')</code> to list all users.`
const WITH_TOKEN = `Open this browser’s console (F12), replace <code>TOKEN</code> with the token of a user, and paste
<code>${consoleLine('token=TOKEN')}</code>
to be online as that user.`

const html = (how: string): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Who Is Online</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
<p>
<strong>Who Is Online</strong> is running here. ${how}
</p>
</body>
</html>
`

/**
 * Serves the page at `/` of a server whose live page is on, but was not built: it says what this server is and how to
 * try it. It shows no user data, and needs the key as the live page does.
 */
export function servePlainPage(isOpen: boolean, apiKey: string | undefined): RequestHandler {
  const page = html(isOpen ? OPEN : WITH_TOKEN)
  const router = Router({ strict: true, caseSensitive: true })
  if (apiKey !== undefined) router.get('/', requireKey(apiKey))
  readOnly(router, '/', (_request, response) => {
    response.type('html').set('Cache-Control', 'no-store').send(page)
  })
  return router
}
