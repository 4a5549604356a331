// What the page makes its elements with. Text only ever becomes text: nothing here parses HTML.

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

/** Write text, if it is another. */
export function setText(node, text) {
  if (written.get(node) === text) return
  written.set(node, text)
  node.textContent = text
}

/** Set an attribute, if it is another; null removes it. */
export function setAttribute(node, name, value) {
  if (value === null || value === undefined || value === false) node.removeAttribute(name)
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value)
}

/** Show or hide. */
export function setShown(node, isShown) {
  if (node.hidden === isShown) node.hidden = !isShown
}

/** Lines of a parent, one for each item: kept by their key, moved only where the order asks for it. */
export class Lines {
  #made = new Map()

  constructor(parent, key, make) {
    Object.assign(this, { parent, key, make })
  }

  get(key) {
    return this.#made.get(key)
  }

  /** Show these items in this order. What `make` returned for each has `node` and `update(item)`. */
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

/** Call `work` once in the next frame, however often it is asked for; and so that it takes a fifth of the time at most. */
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
    // No frames come while nobody looks.
    if (document.hidden) setTimeout(go, 100)
    else if (pause > 16) setTimeout(() => requestAnimationFrame(go), pause - 16)
    else requestAnimationFrame(go)
  }
}

/** Show a value as people read it: text as it is, all else as JSON. */
export function plain(value, indent = undefined) {
  return typeof value === 'string' ? value : (JSON.stringify(value, null, indent) ?? '')
}

/** Say something to who listens to the page instead of looking at it. */
export function tell(text) {
  document.getElementById('told').textContent = text
}
