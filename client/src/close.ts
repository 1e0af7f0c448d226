// Close codes that this client sends or treats specially. 44xx: do not connect again with the same data.

/** The client closes for good: the user leaves at once. */
export const normal = 1000

/** The connection was lost without a close frame. */
export const broken = 1006

/** The client drops this socket, but not its session, which continues on the next one. The server waits for its grace. */
export const cut = 4000

export const badIdentity = 4400
export const badToken = 4401
export const replaced = 4409
export const tooFast = 4429
