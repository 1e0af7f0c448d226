import { createHash } from 'node:crypto'

/** A line of JavaScript to paste into the console of a browser, on a page of this server. */
export const consoleLine =
  "ws = new WebSocket(location.origin.replace('http', 'ws') + '/ws?userId=ann'); ws.onmessage = e => console.log(e.data)"

const style = `
:root { color-scheme: light dark }
body { font: 1.125rem/1.6 system-ui, sans-serif; max-width: 42rem; margin: 4rem auto; padding: 0 1rem }
code { overflow-wrap: anywhere; background: color-mix(in srgb, currentColor 10%, transparent); padding: 0.1em 0.3em; border-radius: 0.3em }
`

/** The hash with which the content security policy allows the inline style of the page below. */
export const styleHash = `'sha256-${createHash('sha256').update(style).digest('base64')}'`

/**
 * The page at `/` if there is no live page: it says what this server is and how to try it. It shows no user
 * data.
 */
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
to be online as <code>ann</code>. Do the same in a second tab with another name: the first tab receives the change.
Then run <code>ws.send('{"type":"get_all_users"}')</code> to list all users.
</p>
</body>
</html>
`
