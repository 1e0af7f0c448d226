import type { VNode } from 'preact'

function Icon({ path }: { readonly path: string }): VNode {
  return (
    <svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">
      <path
        d={path}
        fill="none"
        stroke="currentColor"
        stroke-width="1.5"
        stroke-linecap="round"
        stroke-linejoin="round"
      />
    </svg>
  )
}

/** Two sheets of paper. */
export function CopyIcon(): VNode {
  return <Icon path="M5.5 5.5h7v8h-7zM10.5 5.5v-3h-7v8h2" />
}

/** A check mark. */
export function DoneIcon(): VNode {
  return <Icon path="M3.5 8.5l3 3 6-7" />
}

/** A cross. */
export function CloseIcon(): VNode {
  return <Icon path="M4 4l8 8M12 4l-8 8" />
}

/** A magnifying glass. */
export function SearchIcon(): VNode {
  return <Icon path="M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.5 10.5L14 14" />
}
