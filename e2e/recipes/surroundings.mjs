// What the recipes of docs/embedding.md take from the application around them. A test imports it before a recipe.
import { Server } from 'node:net'

/** The user of a cookie `user=ID`; `null` without it. */
globalThis.userOf = async cookie => {
  const [, userId] = /^user=(\w+)$/.exec(cookie ?? '') ?? []
  return userId === undefined ? null : { userId, name: `Name of ${userId}` }
}

const { listen } = Server.prototype

/** Prints the port, so that a recipe can listen on any free one. */
Server.prototype.listen = function (...args) {
  this.once('listening', () => {
    const address = this.address()
    if (typeof address === 'object') console.log(`listening on port ${address.port}`)
  })
  return listen.apply(this, args)
}
