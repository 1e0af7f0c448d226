/** The port the bench chose for this server. */
export const port = Number(process.env.PORT)

/** Whether arrivals are told to nobody, where they are not what is measured: naive servers take minutes for thousands. */
export const isSilent = process.env.SILENT === '1'
