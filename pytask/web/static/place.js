// The view in the URL: `#/run/<id>?state=RUNNING&q=words`. It can be bookmarked, reloaded and shared.

const VIEWS = new Set(['runs', 'run', 'start', 'schedules', 'flows', 'workers'])

export const place = new (class extends EventTarget {
  view = ''
  name = '' // of a run, task or flow
  query = new URLSearchParams()

  read() {
    const [path, query = ''] = location.hash.slice(1).split('?')
    const [view = '', ...rest] = path.replace(/^\//, '').split('/')
    this.view = VIEWS.has(view) ? view : 'runs'
    this.name = decode(rest.join('/'))
    this.query = new URLSearchParams(query)
    this.dispatchEvent(new Event('change'))
  }

  is(view, name) {
    return this.view === view && this.name === name
  }

  /** Change parts of the query, without a history entry for each letter. */
  setQuery(changes) {
    for (const [name, value] of Object.entries(changes)) value ? this.query.set(name, value) : this.query.delete(name)
    const path = location.hash.slice(1).split('?')[0] || '/'
    history.replaceState(null, '', withQuery(path, this.query))
    this.read()
  }

  follow() {
    addEventListener('hashchange', () => this.read())
    // Links keep the current filter: they are created once and clicked later.
    addEventListener('click', (event) => {
      const anchor = event.target.closest?.('a[href^="#/"]')
      if (anchor) anchor.href = withQuery(anchor.getAttribute('href').slice(1).split('?')[0], this.query)
    }, true)
    this.read()
  }
})()

export const link = (path) => `#${path}`

export function go(path) {
  location.hash = withQuery(path, place.query)
}

function withQuery(path, query) {
  return `#${path}${query.size ? `?${query}` : ''}`
}

function decode(text) {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
