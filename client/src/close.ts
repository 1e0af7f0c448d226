// Close codes that this client does something special about. 44xx: do not come back as you are.

export const normal = 1000

/** There was no close frame: the line broke. */
export const broken = 1006

/** Ours: the line is cut, and the session comes back on another one. The server holds it for its grace. */
export const cut = 4000

export const badIdentity = 4400
export const badToken = 4401
export const replaced = 4409
export const tooFast = 4429
