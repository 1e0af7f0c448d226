import type { ComponentChildren, VNode } from 'preact'

/** A line of a list of facts: what it is about, and what it says. */
export function Line({
  label,
  children,
}: {
  readonly label: string
  readonly children: ComponentChildren
}): VNode {
  return (
    <div class="line">
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  )
}
