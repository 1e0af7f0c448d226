// Greets users who come online: on the console, and in the text of the bot's own status, which everybody sees.
import { createClient } from '@who-is-online/client'
import { WebSocket } from 'ws' // Node.js has a WebSocket of its own from version 22

const client = createClient({
  url: process.env.PRESENCE_URL ?? 'ws://localhost:3050/ws',
  userId: 'greeter',
  username: 'Greeter',
  WebSocket,
})

/** The ids of the users who are online and have been greeted. */
const online = new Set(['greeter'])
let isFirst = true

function greet(names) {
  const text = `Hello, ${names.join(' and ')}!`
  console.log(text)
  client.setStatus('online', { text: text.slice(0, 128) }).catch(error => console.error(error.message))
}

client.onChange(changed => {
  const came = []
  for (const user of changed) {
    if (user.status === 'offline') online.delete(user.userId)
    else if (!online.has(user.userId)) {
      online.add(user.userId)
      came.push(user.username ?? user.userId)
    }
  }
  // The users in the first changes were online before the bot.
  if (isFirst) console.log(`${online.size} users are online.`)
  else if (came.length > 0) greet(came)
  isFirst = false
})
client.onConnectionChange(state => console.log(`The connection is ${state}.`))
client.onError(error => console.error(error.message))
client.watchAll()

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => client.close())
