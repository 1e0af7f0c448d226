/** A page of every path: Next.js would end WebSockets for which it has a page. */
export default function AnyPage() {
  return <p>Any page</p>
}
