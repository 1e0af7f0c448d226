/**
 * Where to listen: the port the bench chose. A whole storm fits into the backlog: with Node's 511 the kernel resets
 * some of those who wait at a busy server, and what is measured is the work, not the luck of the kernel.
 */
export const address = { port: Number(process.env.PORT), host: '127.0.0.1', backlog: 4_096 }

/** Whether arrivals are told to nobody, where they are not what is measured: naive servers take minutes for thousands. */
export const isSilent = process.env.SILENT === '1'

/** A naive server at work on a storm can't hear for a minute; Node would refuse the clients who wait, and count less work. */
export const patience = { headersTimeout: 0, requestTimeout: 0 }

/** The same for socket.io, which gives clients up that it could not hear; in ms. */
export const socketIoPatience = { pingTimeout: 120_000, connectTimeout: 120_000 }
