// Helpers that create elements. Text always stays text: nothing here parses HTML.

/** Make an element: h('p.note', { title: 'x', onclick }, 'text', child). Null children are left out. */
export function h(name, properties, ...children) {
  const [tag, ...classes] = name.split('.')
  const node = document.createElement(tag)
  if (classes.length) node.className = classes.join(' ')
  for (const [key, value] of Object.entries(properties ?? {})) {
    if (value === undefined || value === null || value === false) continue
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value)
    else node.setAttribute(key, value === true ? '' : value)
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false))
  return node
}

const written = new WeakMap()

/** Set the text, if it differs. */
export function setText(node, text) {
  if (written.get(node) === text) return
  written.set(node, text)
  node.textContent = text
}

/** Set an attribute, if it differs; null removes it. */
export function setAttribute(node, name, value) {
  if (value === null || value === undefined || value === false) node.removeAttribute(name)
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value)
}

/** Show or hide. */
export function setShown(node, isShown) {
  if (node.hidden === isShown) node.hidden = !isShown
}

/** The children of an element, one for each item: reused by key, and moved only if the order changes. */
export class Lines {
  #made = new Map()

  constructor(parent, key, make) {
    Object.assign(this, { parent, key, make })
  }

  get(key) {
    return this.#made.get(key)
  }

  /** Show these items in this order. `make(item)` returns an object with `node` and `update(item)`. */
  show(items) {
    const left = new Set(this.#made.keys())
    let place = this.parent.firstElementChild
    for (const item of items) {
      const key = this.key(item)
      left.delete(key)
      let line = this.#made.get(key)
      if (!line) this.#made.set(key, (line = this.make(item)))
      line.update(item)
      if (line.node === place) place = place.nextElementSibling
      else this.parent.insertBefore(line.node, place)
    }
    for (const key of left) {
      this.#made.get(key).node.remove()
      this.#made.delete(key)
    }
  }
}

/** Return a function that calls `work` once in the next frame, using at most a fifth of the time. */
export function perFrame(work) {
  let isAsked = false
  let from = 0
  const go = () => {
    const began = performance.now()
    isAsked = false
    work()
    from = performance.now() + 4 * (performance.now() - began)
  }
  return () => {
    if (isAsked) return
    isAsked = true
    const pause = from - performance.now()
    // A hidden page gets no frames.
    if (document.hidden) setTimeout(go, 100)
    else if (pause > 16) setTimeout(() => requestAnimationFrame(go), pause - 16)
    else requestAnimationFrame(go)
  }
}

/** Return a value as text: strings as they are, everything else as JSON. */
export function plain(value, indent = undefined) {
  return typeof value === 'string' ? value : (JSON.stringify(value, null, indent) ?? '')
}

/** Announce something to users of a screen reader. */
export function tell(text) {
  document.getElementById('told').textContent = text
}
