/** Scheme and host of an origin. A comma can't be part of a setting, and `*` must not look like a pattern. */
const ORIGIN = /^([a-z][a-z0-9+.-]*):\/\/([^/?#\s,@\\*]*)$/i

/**
 * The origin of a web page or an app in its normal form, in which origins can be compared: lower case, without the
 * default port. Apps have schemes of their own, such as `capacitor://localhost`. A page without an origin sends
 * `null`. `undefined` if the text is no origin.
 */
export function webOrigin(text: string): string | undefined {
  if (text === 'null') return text
  const [, scheme = '', host = ''] = ORIGIN.exec(text) ?? []
  if (scheme === '') return undefined
  if (/^https?$/i.test(scheme)) return URL.canParse(text) ? new URL(text).origin : undefined
  if (host === '' && scheme.toLowerCase() !== 'file') return undefined
  return `${scheme}://${host}`.toLowerCase()
}
