/** A value that is text already: a list that was joined from fragments, each encoded once. */
export class Json {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}
