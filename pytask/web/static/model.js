// What the page knows about runs: read from the server, kept up to date by its events.
//
// An event is applied at once, so that the page is fast; the run itself is read soon after, since events are hints.
// An answer never undoes an event that arrived while it was under way.

import { address, get } from './api.js'
import { events } from './pytask.js'
import { now } from './times.js'

export const STATES = ['RUNNING', 'WAIT', 'SUCCESS', 'STOPPED', 'ERROR', 'EXCEPTION']
export const isEnded = (run) => run.state !== 'RUNNING' && run.state !== 'WAIT'
export const MOST = 2000 // runs on the page; the filter finds older ones

const STATE_OF = Object.fromEntries(STATES.map((state) => [state.toLowerCase(), state]))
const CALM_MS = 10_000 // between readings of the list: a new waiting run causes no event
const FEW = 4 // runs that are read one by one; for more, the list is read
const HIDDEN_MS = 60_000 // then the stream is closed: browsers allow six connections to a server, for all tabs together

export const model = new (class extends EventTarget {
  runs = new Map()
  counts = {}
  filter = { states: [], q: '' }
  link = { state: 'connecting', at: 0, why: '' }
  isRead = false
  isCut = false // there are more runs than the page has
  problem = null // of the last attempt to read the list
  #stale = new Set()
  #watched = new Set() // open in a pane: read and kept whatever the filter says
  #isReading = false
  #isAsked = false
  #readAt = Infinity // when the list is read next
  #readFrom = 0 // the earliest time for that
  #timer = 0

  tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }))
  }

  on(name, listener, signal) {
    this.addEventListener(name, ({ detail }) => listener(detail), { signal })
  }

  setFilter(states, q) {
    if (q === this.filter.q && states.join() === this.filter.states.join()) return
    this.filter = { states, q }
    this.tell('runs')
    this.readSoon(150)
  }

  fits(run) {
    const { states, q } = this.filter
    return (!states.length || states.includes(run.state)) && (!q || wordsOf(run).includes(tight(q).toLowerCase()))
  }

  /** Read the list in `ms`, or earlier if already scheduled; reading takes at most a tenth of the time. */
  readSoon(ms = 0) {
    if (this.#isReading) return void (this.#isAsked = true)
    const at = Math.max(performance.now() + ms, this.#readFrom)
    if (at >= this.#readAt) return
    this.#readAt = at
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#readList(), at - performance.now())
  }

  async #readList() {
    const since = performance.now()
    this.#isAsked = false
    this.#stale.clear()
    this.#isReading = true
    this.#readAt = Infinity
    try {
      const { states, q } = this.filter
      const { runs, counts, is_cut: isCut } = await get(['runs'], { state: states.join(), q: tight(q), limit: MOST })
      this.problem = null
      this.#take(runs, counts, since)
      this.isCut ||= Boolean(isCut)
    } catch (problem) {
      this.problem = problem.status ? problem : null // unreachable: the state of the connection shows it
    } finally {
      this.#isReading = false
      this.#readFrom = performance.now() + 9 * (performance.now() - since)
      this.isRead = true
      this.tell('runs')
      if (!document.hidden) this.readSoon(this.#isAsked ? 50 : CALM_MS)
    }
  }

  #take(runs, counts, since) {
    const old = this.runs
    this.runs = new Map()
    for (const run of runs) {
      const known = old.get(run.id)
      this.runs.set(run.id, known?.touched > since ? known : this.#whole(run, known))
    }
    for (const [id, known] of old) {
      if (known.touched > since || (this.#watched.has(id) && !this.runs.has(id))) this.runs.set(id, known)
    }
    this.counts = counts
    this.isCut = runs.length >= MOST
  }

  // The list cuts long data and output; a run that is open in a pane keeps its whole values.
  #whole(run, known) {
    if (!run.is_cut || !known || known.is_cut || !this.#watched.has(run.id)) return run
    return { ...run, data: known.data, output: known.output, is_cut: false }
  }

  /** Keep a run up to date, whatever the filter says, until `signal`. */
  watch(id, signal) {
    this.#watched.add(id)
    signal.addEventListener('abort', () => this.#watched.delete(id))
  }

  /** Store a run that was read by itself. */
  put(run, since) {
    const known = this.runs.get(run.id)
    if (known?.touched > since) return
    this.runs.set(run.id, { ...run, touched: performance.now() })
    if (!known) this.readSoon(500) // for the counts
    this.tell('runs')
  }

  forget(id) {
    this.#count(this.runs.get(id)?.state, undefined)
    this.runs.delete(id)
    this.tell('runs')
  }

  #count(from, to) {
    if (from === to) return
    if (from) this.counts[from] = Math.max(0, (this.counts[from] ?? 1) - 1)
    if (to) this.counts[to] = (this.counts[to] ?? 0) + 1
  }

  hear(event) {
    const run = this.runs.get(event.run)
    if (run) this.#apply(run, event)
    if (!run || event.event in STATE_OF || event.event === 'reloaded') this.#readAgain(event.run)
    this.tell(`run ${event.run}`, event)
  }

  #apply(run, { event, data, at }) {
    const state = STATE_OF[event]
    if (event === 'progress') Object.assign(run, { progress: data?.progress ?? data, target: data?.target ?? run.target })
    else if (event === 'paused') run.reason = 'paused'
    else if (event === 'resumed') run.reason = ''
    else if (!state) return
    run.touched = performance.now()
    run.words = null
    if (state) {
      this.#count(run.state, state)
      Object.assign(run, moved(run, state, data, at || now()))
    }
    this.tell(state ? 'runs' : 'change', run.id)
  }

  #readAgain(id) {
    this.#stale.add(id)
    if (this.#stale.size > FEW) return this.readSoon(300)
    if (this.#stale.size === 1) setTimeout(() => this.#readStale(), 30)
  }

  async #readStale() {
    if (this.#stale.size > FEW) return
    const since = performance.now()
    const ids = [...this.#stale]
    this.#stale.clear()
    const read = await Promise.allSettled(ids.map((id) => get(['runs', id])))
    read.forEach(({ value }, i) => value && (this.fits(value) || this.#watched.has(ids[i]) || this.runs.has(ids[i])) && this.put(value, since))
  }

  /** Follow the events forever, and publish the state of the connection. */
  async follow() {
    document.addEventListener('visibilitychange', () => document.hidden || this.readSoon())
    for (;;) {
      const stopped = new AbortController()
      const hide = () => document.hidden && setTimeout(() => document.hidden && stopped.abort(), HIDDEN_MS)
      document.addEventListener('visibilitychange', hide)
      await this.#followUntil(stopped.signal)
      document.removeEventListener('visibilitychange', hide)
      if (document.hidden) this.#setLink('asleep')
      await shown()
    }
  }

  async #followUntil(signal) {
    try {
      for await (const { connection, error, event, data } of events(address(['events']), { signal })) {
        if (connection) this.#setLink(connection === 'open' ? 'live' : 'lost', error?.message)
        // A task may name its events anything, but those of a run have its id.
        if (data?.run) this.hear(data)
        else if (connection === 'open' || event === 'reset') this.#readAll()
      }
    } catch (error) {
      this.#setLink('refused', error.message)
      await new Promise((resolve) => setTimeout(resolve, 5000))
    }
  }

  #readAll() {
    this.readSoon()
    this.tell('reset')
  }

  #setLink(state, why = '') {
    // The page was up to date until the connection was lost, not until the last failed attempt.
    const at = state === 'lost' && this.link.state === 'lost' ? this.link.at : now()
    this.link = { state, at, why }
    this.tell('link')
  }
})()

// The server searches compact JSON, without the blank after a name that the page shows.
const tight = (q) => q.replaceAll('": ', '":')

// What the server searches, too. Cached for each run, since every keystroke searches all of them.
function wordsOf(run) {
  run.words ??= `${run.id} ${run.task} ${run.reason} ${JSON.stringify(run.data)}`.toLowerCase()
  return run.words
}

function moved(run, state, data, at) {
  if (state === 'RUNNING') return { state, started: at, ended: null, output: null, reason: '', progress: null, target: null }
  if (state === 'WAIT') return { state, started: null, ended: null, output: null, reason: data?.reason ?? '' }
  return { state, ended: at, output: data ?? run.output, reason: run.reason === 'paused' ? '' : run.reason }
}

function shown() {
  if (!document.hidden) return Promise.resolve()
  return new Promise((resolve) => document.addEventListener('visibilitychange', resolve, { once: true }))
}
