/**
 * Where to listen: the port the bench chose. A whole storm fits into the backlog: with Node's 511 the kernel resets
 * some of those who wait at a busy server, and what is measured is the work, not the luck of the kernel.
 */
export const address = { port: Number(process.env.PORT), host: '127.0.0.1', backlog: 4_096 }

/**
 * True if arrivals are not sent to anybody, because they are not measured: naive servers need minutes for
 * thousands.
 */
export const isSilent = process.env.SILENT === '1'

/**
 * No time limits: a naive server in a storm does not read for a minute. With its defaults, Node would refuse
 * the clients that wait, and the server would do less work.
 */
export const patience = { headersTimeout: 0, requestTimeout: 0 }

/** The same for socket.io, which gives clients up that it could not hear; in ms. */
export const socketIoPatience = { pingTimeout: 120_000, connectTimeout: 120_000 }
