import { type FormEvent, type ReactNode, useEffect, useState } from 'react'

interface Message {
  readonly id: string
  readonly from: string
  readonly text: string
}

// The service does not send chat messages. This example sends them from tab to tab; an application has its own backend.
const channel = new BroadcastChannel('who-is-online-example')

/** The messages since this tab was opened, and a form to send one. */
export function Chat({ me }: { readonly me: string }): ReactNode {
  const [messages, setMessages] = useState<readonly Message[]>([])

  useEffect(() => {
    const receive = ({ data }: MessageEvent<Message>) => setMessages(before => [...before, data])
    channel.addEventListener('message', receive)
    return () => channel.removeEventListener('message', receive)
  }, [])

  function send(event: FormEvent<HTMLFormElement>): void {
    event.preventDefault()
    const form = event.currentTarget
    const text = String(new FormData(form).get('text')).trim()
    if (text === '') return
    const message = { id: crypto.randomUUID(), from: me, text }
    channel.postMessage(message)
    setMessages(before => [...before, message])
    form.reset()
  }

  return (
    <main>
      <h1>Chat</h1>
      <ol aria-label="Messages" aria-live="polite">
        {messages.map(({ id, from, text }) => (
          <li key={id}>
            <b>{from}</b> {text}
          </li>
        ))}
      </ol>
      <form onSubmit={send}>
        <input name="text" aria-label="Message" autoComplete="off" />
        <button type="submit">Send</button>
      </form>
    </main>
  )
}
