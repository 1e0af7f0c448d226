// Without a locale, as in many containers, the language of Chromium is one that `Intl` refuses: `en-US@posix`. uPlot
// asks `Intl` for it while it is loaded, and the page would stay empty. So this must run before uPlot is loaded.
try {
  new Intl.NumberFormat(navigator.language)
} catch {
  Object.defineProperty(navigator, 'language', { value: 'en-US' })
}
