// Times by the server's clock, in labels that update themselves.

import { h, setAttribute, setText } from './dom.js'

// The server's clock minus ours, in seconds; known to the second, from the Date of its answers.
let skew = 0
let hasSkew = false

/** Estimate the server's clock from the Date of an answer. */
export function learnClock(date) {
  const at = Date.parse(date)
  if (Number.isNaN(at)) return
  const ahead = (at - Date.now()) / 1000
  // `Date` is rounded down to whole seconds, so a smaller difference means nothing.
  if (!hasSkew || Math.abs(ahead - skew) > 2) skew = ahead > -1.5 && ahead < 0.5 ? 0 : ahead
  hasSkew = true
}

export const now = () => Date.now() / 1000 + skew

/** Return a duration as `4 s`, `3 min`, `5 h` or `2 d`, rounded down. */
export function span(seconds) {
  const s = Math.max(0, seconds)
  if (s < 1) return `${Math.floor(s * 1000)} ms`
  if (s < 100) return `${Math.floor(s)} s`
  if (s < 6000) return `${Math.floor(s / 60)} min`
  return s < 172800 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 86400)} d`
}

// Anyone may write any number to Redis; JavaScript has no date beyond this.
const isDate = (at) => Math.abs(at) <= 8.64e12

export const absolute = (at) =>
  isDate(at) ? new Date(at * 1000).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'long' }) : String(at)

export const clock = (at) => (isDate(at) ? new Date(at * 1000).toLocaleTimeString(undefined, { hour12: false }) : String(at))

export const iso = (at) => (isDate(at) ? new Date(at * 1000).toISOString() : null)

const relative = {
  ago: (at) => (at > now() + 1 ? `in ${span(at - now())}` : `${since(at)} ago`),
  for: (at) => `for ${since(at)}`,
  in: (at) => (at <= now() ? 'due' : `in ${span(at - now())}`),
}
// Labels update once a second, so they show no milliseconds.
const since = (at) => (now() - at < 1 ? '0 s' : span(now() - at))

const labels = new Set()

/** A label that keeps up with the clock: `ago`, `for` or `in`. Its title is the exact time. */
export function label() {
  const node = h('time', {})
  let at
  let form
  const write = () => setText(node, at ? relative[form](at) : '')
  const made = {
    node,
    update(newAt, newForm) {
      if (newAt !== at) {
        setAttribute(node, 'datetime', newAt ? iso(newAt) : null)
        setAttribute(node, 'title', newAt ? absolute(newAt) : null)
      }
      at = newAt
      form = newForm
      write()
    },
    write,
  }
  labels.add(new WeakRef(made))
  keepers.set(node, made)
  return made
}
const keepers = new WeakMap() // a label lives as long as its node

setInterval(() => {
  if (document.hidden) return
  for (const weak of labels) {
    const made = weak.deref()
    if (!made) labels.delete(weak)
    else if (made.node.isConnected) made.write()
  }
}, 1000)
