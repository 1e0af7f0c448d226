import { createHash } from 'node:crypto'

/** A line to paste into a browser's console, on a page of this server. */
export const consoleLine =
  "ws = new WebSocket(location.origin.replace('http', 'ws') + '/ws?userId=ann'); ws.onmessage = e => console.log(e.data)"

const style = `
:root { color-scheme: light dark }
body { font: 1.125rem/1.6 system-ui, sans-serif; max-width: 42rem; margin: 4rem auto; padding: 0 1rem }
code { overflow-wrap: anywhere; background: color-mix(in srgb, currentColor 10%, transparent); padding: 0.1em 0.3em; border-radius: 0.3em }
`

/** By which the policy of the server's pages lets the style in that stands in the page below. */
export const styleHash = `'sha256-${createHash('sha256').update(style).digest('base64')}'`

/** The page at `/` where there is no live page: says what this is, and how to try it at once; nothing of anybody. */
export const page = `<!doctype html>
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
<strong>Who Is Online</strong> is running here. Open this browser’s console (F12) and paste
<code>${consoleLine}</code>
to be online as ann; do the same in a second tab with another name, and the first tab hears of it.
Then send <code>ws.send('{"type":"get_all_users"}')</code> to see everybody.
</p>
</body>
</html>
`
