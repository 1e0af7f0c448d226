/** One kind of register of all known users, by position. All numbers: V8 stores them without a heap object each. */
export class Column<Content> {
  readonly #stamps: number[] = []
  readonly #nodes: number[] = []
  readonly #contents: Content[] = []
  /** In which epoch each was repeated last; see `Registers.begin`. */
  readonly #epochs: number[] = []
  readonly #nothing: Content

  /** @param nothing what stands for a register without a value */
  constructor(nothing: Content) {
    this.#nothing = nothing
  }

  add(): void {
    this.#stamps.push(0)
    this.#nodes.push(0)
    this.#contents.push(this.#nothing)
    this.#epochs.push(0)
  }

  /** Removes a position. The last one takes its place. */
  remove(position: number): void {
    for (const column of [this.#stamps, this.#nodes, this.#contents, this.#epochs] as unknown[][]) {
      const last = column.pop()
      if (position < column.length) column[position] = last
    }
  }

  /** The register was read in this epoch. */
  repeat(position: number, epoch: number): void {
    this.#epochs[position] = epoch
  }

  isRepeated(position: number, epoch: number): boolean {
    return this.#epochs[position] === epoch
  }

  set(position: number, stamp: number, node: number, content: Content): void {
    this.#stamps[position] = stamp
    this.#nodes[position] = node
    this.#contents[position] = content
  }

  /** When the register was written; 0 if it was not. */
  stamp(position: number): number {
    return this.#stamps[position] ?? 0
  }

  node(position: number): number {
    return this.#nodes[position] ?? 0
  }

  content(position: number | undefined): Content {
    return (position === undefined ? undefined : this.#contents[position]) ?? this.#nothing
  }
}
