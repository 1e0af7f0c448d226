import { type FormEvent, type ReactNode, useEffect, useState } from 'react'

interface Line {
  readonly id: string
  readonly from: string
  readonly text: string
}

// Presence is not chat: what is said goes from tab to tab of this browser. An application has its own way.
const channel = new BroadcastChannel('who-is-online-example')

/** What was said since this tab was opened, and a line to say more. */
export function Chat({ me }: { readonly me: string }): ReactNode {
  const [lines, setLines] = useState<readonly Line[]>([])

  useEffect(() => {
    const hear = ({ data }: MessageEvent<Line>) => setLines(before => [...before, data])
    channel.addEventListener('message', hear)
    return () => channel.removeEventListener('message', hear)
  }, [])

  function say(event: FormEvent<HTMLFormElement>): void {
    event.preventDefault()
    const form = event.currentTarget
    const text = String(new FormData(form).get('text')).trim()
    if (text === '') return
    const line = { id: crypto.randomUUID(), from: me, text }
    channel.postMessage(line)
    setLines(before => [...before, line])
    form.reset()
  }

  return (
    <main>
      <h1>Chat</h1>
      <ol aria-label="Messages" aria-live="polite">
        {lines.map(({ id, from, text }) => (
          <li key={id}>
            <b>{from}</b> {text}
          </li>
        ))}
      </ol>
      <form onSubmit={say}>
        <input name="text" aria-label="Message" autoComplete="off" />
        <button type="submit">Send</button>
      </form>
    </main>
  )
}
