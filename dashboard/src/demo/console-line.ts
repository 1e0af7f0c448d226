/** A line of JavaScript to paste into the console of a browser, on a page of this server. */
export const consoleLine =
  "ws = new WebSocket(location.origin.replace('http', 'ws') + '/ws?userId=ann'); ws.onmessage = e => console.log(e.data)"
