import './style.css'

export const metadata = { title: 'Who is online: Next.js' }

export default function Layout({ children }) {
  return (
    <html lang="en">
      <body>{children}</body>
    </html>
  )
}
