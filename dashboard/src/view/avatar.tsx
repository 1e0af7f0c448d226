import type { Status } from '@who-is-online/client'
import type { VNode } from 'preact'

/** How many colors there are for initials; style.css has them. */
const HUES = 8

/** The initials of a user with the status dot. Screen readers get the name and the status as text beside it. */
export function Avatar({ name, status }: { readonly name: string; readonly status: Status }): VNode {
  return (
    <span class="avatar" data-hue={hueOf(name)} aria-hidden="true">
      {initials(name)}
      <Dot status={status} />
    </span>
  )
}

/** A dot with another shape and another color for each status. */
export function Dot({ status }: { readonly status: Status }): VNode {
  return <span class="dot" data-status={status} aria-hidden="true" />
}

/** The first letters of the first and the last word of a name, in upper case. */
export function initials(name: string): string {
  const words = name.split(/[\s._\-/@:]+/u).flatMap(word => [...word].find(isLetter) ?? [])
  const [first = [...name][0] ?? '', ...others] = words
  return `${first}${others.at(-1) ?? ''}`.toUpperCase()
}

function isLetter(character: string): boolean {
  return /[\p{L}\p{N}]/u.test(character)
}

/** A color by name, so that a user has the same one after each reload. */
function hueOf(name: string): number {
  let hash = 0
  for (let index = 0; index < name.length; index++) hash = (hash * 31 + name.charCodeAt(index)) >>> 0
  return hash % HUES
}
