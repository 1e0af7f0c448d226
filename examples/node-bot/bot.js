// Greets who comes online: here, and in the text beside the bot's own status, where everybody sees it.
import { createClient } from '@who-is-online/client'
import { WebSocket } from 'ws' // Node has a WebSocket of its own from version 22 on

const client = createClient({
  url: process.env.PRESENCE_URL ?? 'ws://localhost:3050/ws',
  userId: 'greeter',
  username: 'Greeter',
  WebSocket,
})

/** Who is here; whoever is in it has been greeted. */
const here = new Set(['greeter'])
let isFirst = true

function greet(names) {
  const text = `Hello, ${names.join(' and ')}!`
  console.log(text)
  client.setStatus('online', { text: text.slice(0, 128) }).catch(error => console.error(error.message))
}

client.onChange(changed => {
  const came = []
  for (const user of changed) {
    if (user.status === 'offline') here.delete(user.userId)
    else if (!here.has(user.userId)) {
      here.add(user.userId)
      came.push(user.username ?? user.userId)
    }
  }
  // Those of the first news were there before the bot.
  if (isFirst) console.log(`${here.size} are here.`)
  else if (came.length > 0) greet(came)
  isFirst = false
})
client.onConnectionChange(state => console.log(`The connection is ${state}.`))
client.onError(error => console.error(error.message))
client.watchAll()

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => client.close())
