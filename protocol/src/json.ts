/** A value that is already JSON text, such as a list joined from users that were encoded once. */
export class Json {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}
