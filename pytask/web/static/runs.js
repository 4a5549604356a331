// The list of runs: running, waiting, ended; filtered by state and words. pytask's own runs come last: every worker
// always has them, and they are rarely what a user looks for.

import { h, Lines, perFrame, plain, setAttribute, setShown, setText } from './dom.js'
import { isEnded, model, MOST, STATES } from './model.js'
import { link, place } from './place.js'
import { label } from './times.js'

export const MARKS = { RUNNING: '▶', WAIT: '◦', SUCCESS: '✓', STOPPED: '■', ERROR: '!', EXCEPTION: '✕' }
const isOwn = (run) => run.local && run.task.startsWith('pytask/')
const GROUPS = [
  ['RUNNING', 'Running', (run) => run.state === 'RUNNING' && !isOwn(run), (run) => run.started],
  ['WAIT', 'Waiting', (run) => run.state === 'WAIT', (run) => run.created],
  ['ended', 'Ended', (run) => isEnded(run) && !isOwn(run), (run) => run.ended],
  ['own', "pytask's own", isOwn, (run) => run.started],
]

export function stateMark() {
  const mark = h('span.mark', { 'aria-hidden': 'true' })
  const word = h('span.word')
  return {
    node: h('span.state', null, mark, word),
    update(state) {
      setAttribute(this.node, 'data-state', state)
      setText(mark, MARKS[state] ?? '')
      setText(word, state)
    },
  }
}

/** The progress of a run: a bar if there is a target, else a number. */
export function bar() {
  const meter = h('progress', { max: 1 })
  const text = h('span.far')
  return {
    node: h('span.bar', null, meter, text),
    update({ progress, target, state }) {
      const has = progress !== null && progress !== undefined
      const hasTarget = has && target > 0
      setShown(this.node, has)
      setShown(meter, hasTarget)
      if (hasTarget) setAttribute(meter, 'value', Math.min(1, Math.max(0, progress / target)))
      setAttribute(meter, 'aria-label', hasTarget ? `progress, ${state}` : null)
      setText(text, has ? `${progress.toLocaleString()}${hasTarget ? `/${target.toLocaleString()}` : ''}` : '')
    },
  }
}

/** One line about a run: its output, its error, or why it waits. */
export function gist(run) {
  if (run.state === 'EXCEPTION' && run.output?.type) return `${run.output.type}: ${run.output.message}`
  if (isEnded(run) && run.output !== null) return plain(run.output)
  return run.reason
}

/** Show how long a run has been running or waiting, or when it ended. */
export function when(time, run) {
  if (run.state === 'RUNNING') time.update(run.started, 'for')
  else if (run.state === 'WAIT') time.update(run.created, 'for')
  else time.update(run.ended, 'ago')
}

function line(run) {
  const state = stateMark()
  const progress = bar()
  const time = label()
  const told = h('span.gist')
  const anchor = h('a.run', { href: link(`/run/${encodeURIComponent(run.id)}`), tabindex: '-1', 'data-run': run.id },
    state.node, h('span.task', null, run.task || '(no task)'), h('code.id', null, run.id), h('span.say', null, progress.node, told), time.node)
  let shown = {}
  return {
    node: h('li', null, anchor),
    update(run) {
      const isHere = place.is('run', run.id)
      if (shown.run === run && shown.touched === run.touched && shown.isHere === isHere) return
      shown = { run, touched: run.touched, isHere }
      const text = gist(run)
      state.update(run.state)
      progress.update(run)
      setShown(progress.node, !isEnded(run) && !progress.node.hidden)
      setText(told, text.length > 200 ? `${text.slice(0, 200)}…` : text)
      when(time, run)
      setAttribute(anchor, 'aria-current', isHere ? 'true' : null)
    },
  }
}

/** Create the pane with the list. It exists as long as the page. */
export function runsPane() {
  const groups = GROUPS.map(([name, title, fits, at]) => {
    const count = h('span.count')
    const list = h('ol', { 'aria-label': title })
    return { fits, at, count, node: h('section', { 'data-group': name }, h('h2', null, title, ' ', count), list), lines: new Lines(list, (run) => run.id, line) }
  })
  const states = stateFilter()
  const search = h('input', { type: 'search', placeholder: 'Filter by task, id or data', 'aria-label': 'Filter by task, id or data', title: 'Press / to search', autocomplete: 'off', spellcheck: 'false', oninput: () => place.setQuery({ q: search.value }) })
  const note = h('p.note')
  const empty = h('div.empty')
  const node = h('section.runs', { 'aria-label': 'Runs' }, h('div.filter', null, states.node, search), note, h('div.list', null, empty, groups.map((group) => group.node)))

  function show() {
    const shown = [...model.runs.values()].filter((run) => model.fits(run))
    for (const { fits, at, node, count, lines } of groups) {
      const these = shown.filter(fits).sort((a, b) => (at(b) ?? 0) - (at(a) ?? 0) || (a.id < b.id ? 1 : -1))
      lines.show(these)
      setShown(node, these.length > 0)
      setText(count, these.length.toLocaleString())
    }
    states.update()
    showNote(note)
    setShown(empty, model.isRead && shown.every(isOwn) && !model.problem)
    if (!empty.hidden) empty.replaceChildren(...nothing())
    if (document.activeElement !== search && search.value !== model.filter.q) search.value = model.filter.q
    oneInTabOrder(node)
    const running = shown.filter(GROUPS[0][2]).length
    document.title = running ? `${running} running · pytask` : 'pytask'
  }

  function change(id) {
    const run = model.runs.get(id)
    for (const { lines } of groups) if (run) lines.get(id)?.update(run)
  }

  const changed = new Set()
  const showChanges = perFrame(() => {
    changed.forEach(change)
    changed.clear()
  })
  model.on('runs', perFrame(show))
  model.on('change', (id) => showChanges(changed.add(id)))
  node.addEventListener('keydown', walk)
  return { node, show, search }
}

function showNote(note) {
  setShown(note, Boolean(model.problem || model.isCut))
  if (model.problem) setText(note, `The list could not be loaded: ${model.problem.message}`)
  else if (model.isCut) setText(note, `These are the first ${MOST.toLocaleString()} runs. Filter by state, task, id or data to see others.`)
}

function stateFilter() {
  const buttons = ['', ...STATES].map((state) => {
    const count = h('span.count')
    const mark = state && h('span.mark', { 'aria-hidden': 'true' }, MARKS[state])
    const node = h('button', { type: 'button', 'data-state': state || 'all', onclick: () => place.setQuery({ state }) }, mark, h('span.word', null, state || 'all'), count)
    return { state, node, count }
  })
  return {
    node: h('div.states', { role: 'group', 'aria-label': 'State' }, buttons.map(({ node }) => node)),
    update() {
      const all = Object.values(model.counts).reduce((sum, n) => sum + n, 0)
      for (const { state, node, count } of buttons) {
        setText(count, (state ? (model.counts[state] ?? 0) : all).toLocaleString())
        setAttribute(node, 'aria-pressed', state ? model.filter.states.includes(state) : !model.filter.states.length)
      }
    },
  }
}

function nothing() {
  if (model.filter.q || model.filter.states.length) {
    return [h('p', null, 'No matching runs.'), h('p', null, h('button', { type: 'button', onclick: () => place.setQuery({ state: '', q: '' }) }, 'Show all'))]
  }
  return [
    h('p', null, 'No runs yet. A run is one execution of a task. Start one:'),
    h('dl', null,
      h('dt', null, 'on this page'), h('dd', null, h('a', { href: link('/start') }, 'Start a run')),
      h('dt', null, 'in a shell'), h('dd', null, h('code', null, 'pytask start hello name=you')),
      h('dt', null, 'in Python'), h('dd', null, h('code', null, "app.client.start('hello', {'name': 'you'})"))),
    h('p', null, 'Successful runs are kept for an hour, failed and stopped ones for a day.'),
  ]
}

// Only one line is in the tab order, and arrow keys move it: 2,000 tab stops would be too many.
function oneInTabOrder(node) {
  const anchors = node.getElementsByClassName('run')
  const is = node.querySelector('.run[tabindex="0"]')
  const wanted = node.querySelector('.run:focus, .run[aria-current]') ?? is ?? anchors[0]
  if (is && is !== wanted) is.tabIndex = -1
  if (wanted) wanted.tabIndex = 0
}

function walk(event) {
  const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 }[event.key]
  const here = event.target.closest?.('.run')
  if (!here || event.altKey || event.ctrlKey || event.metaKey) return
  const anchors = [...event.currentTarget.querySelectorAll('.run')]
  let next = step && anchors[anchors.indexOf(here) + step]
  if (event.key === 'Home') next = anchors[0]
  if (event.key === 'End') next = anchors.at(-1)
  if (!next) return
  event.preventDefault()
  here.tabIndex = -1
  next.tabIndex = 0
  next.focus()
}
