// Runs in the page before its own scripts. Records every state of the document, including those that last too
// briefly to be polled, so that a flicker is found afterwards.

window.whatWasShown = (() => {
  const shown = []
  let last = ''
  const look = () => {
    const users = {}
    const lines = document.querySelectorAll('[data-user]')
    for (const line of lines) users[line.dataset.user] = line.querySelector('.word')?.textContent ?? ''
    const trust = document.querySelector('main')?.dataset.trust ?? ''
    const state = JSON.stringify([trust, users])
    if (state === last) return
    last = state
    shown.push({ at: Date.now(), trust, rows: lines.length, users })
  }
  new MutationObserver(look).observe(document, {
    subtree: true,
    childList: true,
    characterData: true,
    attributes: true,
  })
  return shown
})()

// The time of the last action by the clock of the page: the tool that clicks adds delays before and after.
for (const type of ['click', 'change']) {
  addEventListener(
    type,
    () => {
      window.lastActionAt = Date.now()
    },
    true,
  )
}
