// Run tasks from a browser, in one file without dependencies:
//
//     import { run } from '/pytask.js'
//     const { outputs } = await run('sum', { numbers: [1, 2] }, (json) => console.log(json.progress))
//
// Events are hints and the run is the truth: an event only makes us read the run again. Without a stream the run is
// read every `pollInterval` instead, and nothing else changes.

const DEFAULTS = {
  baseURL: '/tasks/', //               where POST starts a run, and GET <uuid>/ reads one
  eventsURL: undefined, //             where <uuid>/events streams; default: next to baseURL; null: poll only
  csrfCookieName: 'csrftoken',
  csrfHeaderName: 'X-CSRFToken',
  corsMode: 'same-origin', //          'cors' also sends cookies to other origins
  pollInterval: 1000, //               ms between two reads without a stream
  retries: 10, //                      reads that may fail in a row before the promise rejects
}
const CALM_FACTOR = 15 //              with a stream, reads are this much rarer; they are needed since an event may be lost
const PUSH_INTERVAL_MS = 100 //        the least time between two reads, however fast events come
const SILENCE_MS = 40_000 //           the server sends something every 15 s

/** A failed run, an HTTP error, or a server that could not be reached: see `kind`. */
export class TaskError extends Error {
  name = 'TaskError'

  /** `kind` is 'failed' (with the fields of the run), 'http' (with `code`, `problem`, `errors`), 'network' or 'inputs'. */
  constructor(kind, message, fields = {}, cause = undefined) {
    super(message, { cause })
    Object.assign(this, { kind, ...fields })
  }
}

/** Runs tasks of one server. Options may be changed at any time; the next call uses them. */
export class TaskAPI {
  constructor(options = {}) {
    this.options = { ...DEFAULTS }
    this.configure(options)
  }

  /** Set options. Throws a TypeError that lists the valid names for an unknown one. */
  configure(options) {
    for (const name of Object.keys(options)) {
      if (!(name in DEFAULTS)) throw new TypeError(`unknown option ${name}; valid options: ${Object.keys(DEFAULTS).join(', ')}`)
    }
    Object.assign(this.options, options)
    return this
  }

  /**
   * Start a run and follow it to its end. Resolves with the run if it succeeds, otherwise rejects with a TaskError.
   * `onProgress` is called with the run each time it has changed; `ok` and `err` get what the promise gets. An error
   * that `onProgress` throws rejects the promise unchanged.
   */
  run(task, inputs = {}, onProgress = null, ok = null, err = null) {
    const ended = this.#start(task, inputs).then((json) => this.#follow(json, onProgress))
    if (ok || err) ended.then(ok, err ?? (() => {}))
    return ended
  }

  /** Follow a run that was already started, as `run` does. */
  follow(uuid, onProgress = null) {
    return this.#read(uuid).then((json) => this.#follow(json, onProgress))
  }

  async #follow(first, onProgress) {
    const uuid = first.uuid
    const stream = new Hints(this.#eventsURL(uuid), this.#credentials())
    try {
      for (let json = first, told = ''; ; json = await this.#next(uuid, stream)) {
        const text = JSON.stringify(json)
        if (text !== told) onProgress?.(json)
        told = text
        if (json.status === 'succeeded') return json
        if (json.status === 'failed') throw new TaskError('failed', reasonOf(json), json)
      }
    } finally {
      stream.close()
    }
  }

  // Wait until there may be news, and read. A failed read is retried, since servers restart.
  async #next(uuid, stream) {
    const { pollInterval, retries } = this.options
    for (let failures = 0; ; ) {
      await stream.wait(stream.isOpen && !failures ? pollInterval * CALM_FACTOR : pollInterval)
      try {
        return await this.#read(uuid)
      } catch (error) {
        if ((error.kind === 'http' && error.code < 500) || ++failures > retries) throw error
      }
    }
  }

  async #start(task, inputs) {
    const { csrfCookieName, csrfHeaderName } = this.options
    const headers = { 'Content-Type': 'application/json' }
    const token = cookie(csrfCookieName)
    if (token) headers[csrfHeaderName] = token
    let body
    try {
      body = JSON.stringify({ task, inputs })
    } catch (error) {
      throw new TaskError('inputs', `the inputs are not JSON: ${error.message}`, {}, error)
    }
    return this.#ask('', { method: 'POST', headers, body })
  }

  #read(uuid) {
    return this.#ask(`${encodeURIComponent(uuid)}/`)
  }

  async #ask(path, { headers = {}, ...request } = {}) {
    const { baseURL, corsMode } = this.options
    let response
    let text
    try {
      response = await fetch(baseURL + path, {
        ...request, mode: corsMode, cache: 'no-cache', credentials: this.#credentials(),
        headers: { Accept: 'application/json', ...headers },
      })
      text = await response.text()
    } catch (error) {
      throw new TaskError('network', `${baseURL} cannot be reached: ${error.message}`, {}, error)
    }
    const json = parse(text)
    if (response.ok && json) return json
    throw httpError(response, json)
  }

  #credentials() {
    return this.options.corsMode === 'cors' ? 'include' : 'same-origin'
  }

  #eventsURL(uuid) {
    const { baseURL, eventsURL } = this.options
    if (eventsURL === null) return null
    const base = eventsURL ?? new URL('../api/v1/runs/', new URL(baseURL, globalThis.location?.href)).href
    return `${base}${encodeURIComponent(uuid)}/events`
  }
}

// The stream of one run, as far as `#next` needs it: is it open, and has it sent something?
class Hints {
  isOpen = false
  #stopped = new AbortController()
  #hinted = false
  #wake = () => {}
  #last = 0

  constructor(url, credentials) {
    if (url) this.#listen(url, credentials)
  }

  async #listen(url, credentials) {
    try {
      for await (const { connection } of events(url, { credentials, signal: this.#stopped.signal })) {
        // Read once when the stream breaks, but not after each failed attempt to reopen it.
        const isNews = this.isOpen || connection !== 'closed'
        this.isOpen = connection !== 'closed'
        if (isNews) this.#hint()
      }
    } catch {
      this.isOpen = false // refused or missing: poll to the end
    }
  }

  #hint() {
    this.#hinted = true
    this.#wake()
  }

  /** Return after `ms`, or earlier if the stream sends something. */
  async wait(ms) {
    const since = Date.now() - this.#last
    await new Promise((resolve) => {
      const most = setTimeout(resolve, ms)
      this.#wake = () => {
        clearTimeout(most)
        setTimeout(resolve, PUSH_INTERVAL_MS - since)
      }
      if (this.#hinted) this.#wake()
    })
    this.#wake = () => {}
    this.#hinted = false
    this.#last = Date.now()
  }

  close() {
    this.#stopped.abort()
    this.#wake()
  }
}

/**
 * Yield the events of a stream as { id, event, data }, and the state of the connection as { connection: 'open' } and
 * { connection: 'closed', error }, which no event can be mistaken for. Reconnects by itself, with the id of the last
 * event. Ends when `signal` aborts; throws a TaskError if the server refuses.
 *
 * Not an EventSource: that only receives events whose names are known beforehand, hides why it was refused, gives up
 * at the first HTTP error, and does not notice a dead connection.
 */
export async function* events(url, { signal, credentials = 'same-origin', pauseMs = 250, longestMs = 5000 } = {}) {
  let last = ''
  for (let failures = 0; !signal?.aborted; ) {
    const connection = new AbortController()
    let error
    try {
      const headers = { Accept: 'text/event-stream', ...(last && { 'Last-Event-ID': last }) }
      const response = await fetch(url, {
        headers, credentials, cache: 'no-store', signal: anyOf(signal, connection.signal),
      })
      if (!response.ok) throw httpError(response, parse(await response.text()))
      yield { connection: 'open' }
      failures = 0
      for await (const event of read(response.body, connection)) {
        last = event.id ?? last
        yield event
      }
    } catch (failure) {
      error = failure
      if (error.kind === 'http' && error.code < 500 && error.code !== 429) throw error
    } finally {
      connection.abort()
    }
    if (signal?.aborted) return
    yield { connection: 'closed', error }
    // Exponential backoff with jitter: after a restart all pages reconnect at once.
    await sleep(Math.min(pauseMs * 2 ** failures++, longestMs) * (0.75 + Math.random() / 2), signal)
  }
}

async function* read(body, connection) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  for (let rest = ''; ; ) {
    const silence = setTimeout(() => connection.abort(new Error('the server is silent')), SILENCE_MS)
    const { done, value } = await reader.read().finally(() => clearTimeout(silence))
    if (done) return
    const blocks = (rest + value).split(/\r?\n\r?\n/)
    rest = blocks.pop()
    yield* blocks.map(parseEvent).filter((event) => event.data !== undefined)
  }
}

function parseEvent(block) {
  const event = { event: 'message' }
  const data = []
  for (const line of block.split(/\r?\n/)) {
    const [, name, value] = /^([^:]*):? ?(.*)$/.exec(line) ?? []
    if (name === 'data') data.push(value)
    else if (name === 'id' || name === 'event') event[name] = value
  }
  if (data.length || 'id' in event || event.event !== 'message') event.data = parse(data.join('\n')) ?? null
  return event
}

function httpError(response, problem) {
  const told = response.ok ? 'the answer is not JSON' : (problem?.detail ?? problem?.title ?? response.statusText)
  const fields = { code: response.status, problem: problem ?? null, errors: problem?.errors ?? [] }
  return new TaskError('http', `Bad status: ${response.status}${told ? `: ${told}` : ''}`, fields)
}

function reasonOf({ task, uuid, outputs, messages }) {
  const told = outputs?.message ?? (typeof outputs === 'string' ? outputs : messages?.at?.(-1))
  const text = typeof told === 'object' ? told?.text : told
  return `${task} ${uuid} failed${text ? `: ${text}` : ''}`
}

function parse(text) {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function cookie(name) {
  for (const pair of (globalThis.document?.cookie ?? '').split(/; */)) {
    const at = pair.indexOf('=')
    if (pair.slice(0, at) === name) return decoded(pair.slice(at + 1))
  }
}

function decoded(text) {
  try {
    return decodeURIComponent(text)
  } catch {
    return text // malformed: send it as it is, and let the server compare it
  }
}

function anyOf(...signals) {
  return AbortSignal.any(signals.filter(Boolean))
}

function sleep(ms, signal) {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    signal?.addEventListener('abort', end)
  })
}

const shared = new TaskAPI()
/** The options of `run` and `follow` below. */
export const options = shared.options
export const configure = (options) => shared.configure(options)
export const run = (...given) => shared.run(...given)
export const follow = (...given) => shared.follow(...given)
export default shared
