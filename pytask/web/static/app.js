// The page: which panes it shows, keyboard shortcuts, and the state of the connection.

import { h, setAttribute, setText } from './dom.js'
import { flowsPane } from './flows.js'
import { model } from './model.js'
import { go, place } from './place.js'
import { runPane } from './run.js'
import { runsPane } from './runs.js'
import { startPane } from './start.js'
import { schedulesPane, workersPane } from './tables.js'
import { clock } from './times.js'

const main = document.getElementById('main')
const runs = runsPane()
const side = h('div.side')
const PAGES = { schedules: schedulesPane, flows: flowsPane, workers: workersPane }
// Beside the list in a wide window, instead of it in a narrow one.
const SIDES = { run: runPane, start: startPane }

let ending = new AbortController()
let shown = ''

function show() {
  model.setFilter((place.query.get('state') ?? '').split(',').filter(Boolean), place.query.get('q') ?? '')
  const where = `${place.view}/${place.name}`
  if (where === shown) return runs.show()
  const isFirst = !shown
  shown = where
  ending.abort()
  ending = new AbortController()
  setAttribute(document.body, 'data-view', place.view)
  for (const anchor of document.querySelectorAll('nav a')) {
    const isHere = anchor.dataset.view === place.view || (place.view === 'run' && anchor.dataset.view === 'runs')
    setAttribute(anchor, 'aria-current', isHere ? 'page' : null)
  }
  const page = PAGES[place.view]?.(place.name, ending.signal)
  if (page) main.replaceChildren(page.node)
  else showRuns()
  runs.show()
  if (!isFirst) focusOn(page)
}

function showRuns() {
  const pane = (SIDES[place.view] ?? startPane)(SIDES[place.view] ? place.name : '', ending.signal)
  side.replaceChildren(pane.node)
  if (runs.node.parentNode !== main) main.replaceChildren(runs.node, side)
}

// The list keeps the focus while the user moves through it; otherwise the new heading gets it.
function focusOn(page) {
  const isWalking = document.activeElement?.classList.contains('run') && !page
  if (isWalking && getComputedStyle(runs.node).display !== 'none') return
  if (place.view === 'runs') return void runs.node.querySelector('.run[tabindex="0"]')?.focus()
  main.querySelector(`${page ? '.page' : '.side'} h2`)?.focus({ preventScroll: false })
}

function showLink() {
  const node = document.getElementById('link')
  const { state, at, why } = model.link
  setAttribute(node, 'data-link', state)
  setAttribute(node, 'title', why || null)
  setText(node, {
    live: 'live',
    connecting: 'connecting',
    asleep: `suspended since ${clock(at)}`,
    lost: `reconnecting… last update ${clock(at)}`,
    refused: `access denied: ${why}`,
  }[state])
  setAttribute(document.body, 'data-link', state)
}

addEventListener('keydown', (event) => {
  const isTyping = event.target.closest?.('input, textarea, select')
  if (event.key === 'Escape' && !isTyping && place.view !== 'runs') go('/')
  if (isTyping || event.altKey || event.ctrlKey || event.metaKey) return
  if (event.key === '/' && runs.node.isConnected) {
    event.preventDefault()
    runs.search.focus()
  }
})

document.querySelector('.skip').addEventListener('click', (event) => {
  event.preventDefault() // its hash would change the view
  main.focus()
})

model.on('link', showLink)
place.addEventListener('change', show)
place.follow()
model.readSoon()
model.follow()
