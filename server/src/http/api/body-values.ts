const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const BRACKET = 0x5b
const BRACE = 0x7b

/**
 * Whether a JSON text has more values or more texts than `most`, in all its lists and objects together. It takes much
 * less time than parsing, which takes a third of a second for an object of 2 MB. Nothing else is checked.
 */
export function hasMoreValues(json: Buffer, most: number): boolean {
  let values = 0
  let texts = 0
  for (let at = 0; at < json.length; at++) {
    const byte = json[at]
    if (byte === QUOTE) {
      if (++texts > most) return true
      at = endOfText(json, at)
    } else if (byte === COMMA || byte === BRACKET || byte === BRACE) {
      if (++values > most) return true
    }
  }
  return false
}

/** The index of the quote that ends a text, or of the end of the JSON. */
function endOfText(json: Buffer, start: number): number {
  const quote = json.indexOf(QUOTE, start + 1)
  const isEscaped = json[quote - 1] === BACKSLASH
  if (quote >= 0 && !isEscaped) return quote
  // A text with many quotes is read byte by byte: each search has a cost of its own.
  for (let at = start + 1; at < json.length; at++) {
    if (json[at] === BACKSLASH) at++
    else if (json[at] === QUOTE) return at
  }
  return json.length
}
