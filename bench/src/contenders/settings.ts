/**
 * The address to listen on, with the port of the bench. A whole storm fits into the backlog. With Node's
 * default of 511, the kernel would reset some of the waiting connections at random.
 */
export const address = { port: Number(process.env.PORT), host: '127.0.0.1', backlog: 4_096 }

/**
 * Whether arrivals are not broadcast, if they are not measured: naive servers take minutes for thousands of
 * arrivals.
 */
export const isSilent = process.env.SILENT === '1'

/**
 * During a storm, a naive server does not read for a minute. With Node's timeouts, waiting clients would be
 * refused, which is less work.
 */
export const noTimeouts = { headersTimeout: 0, requestTimeout: 0 }

/** The same for socket.io, which closes clients that it did not read from, in ms. */
export const socketIoTimeouts = { pingTimeout: 120_000, connectTimeout: 120_000 }
