// Times as they are: the server's clock, in words that stay true while they stand there.

import { h, setAttribute, setText } from './dom.js'

// The server's clock minus ours, in seconds. Learnt from what it answers, to the second.
let skew = 0
let hasSkew = false

/** Learn the server's clock from the Date of an answer. */
export function learnClock(date) {
  const at = Date.parse(date)
  if (Number.isNaN(at)) return
  const ahead = (at - Date.now()) / 1000
  // `Date` has whole seconds, rounded down: a difference of less is none.
  if (!hasSkew || Math.abs(ahead - skew) > 2) skew = ahead > -1.5 && ahead < 0.5 ? 0 : ahead
  hasSkew = true
}

export const now = () => Date.now() / 1000 + skew

/** Say how long: `4 s`, `3 min`, `5 h`, `2 d`; rounded down, so that it is never more than it was. */
export function span(seconds) {
  const s = Math.max(0, seconds)
  if (s < 1) return `${Math.floor(s * 1000)} ms`
  if (s < 100) return `${Math.floor(s)} s`
  if (s < 6000) return `${Math.floor(s / 60)} min`
  return s < 172800 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 86400)} d`
}

// Foreign hands may write any number; no date is further away than this.
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
// Below a second a label that is written once a second would be wrong for most of it.
const since = (at) => (now() - at < 1 ? '0 s' : span(now() - at))

const labels = new Set()

/** A label of a moment that goes on saying the truth: `ago`, `for`, `in`. Its title is the moment itself. */
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
