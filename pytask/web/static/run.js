// One run: its state, progress, messages, output and events, and the commands for it.

import { actions, inWords } from './actions.js'
import { get, post, remove } from './api.js'
import { h, perFrame, plain, setAttribute, setShown, setText, tell } from './dom.js'
import { schemaForm } from './form.js'
import { isEnded, model } from './model.js'
import { go, link } from './place.js'
import { bar, stateMark, when } from './runs.js'
import { inputsOf, prefill } from './start.js'
import { absolute, clock, iso, label, span } from './times.js'

const FLOW = 'pytask/flow'
// Events after which the run is read again; a task may emit thousands of others.
const TURNS = new Set(['running', 'wait', 'success', 'error', 'exception', 'stopped', 'reloaded', 'paused', 'resumed'])
const MOST_LINES = 500 // of messages, and of events; Redis keeps more

/** Create the pane of a run; `signal` ends it. */
export function runPane(id, signal) {
  const view = parts(id)
  let run = null
  const show = perFrame(() => run && !signal.aborted && view.update(run))

  async function read() {
    const since = performance.now()
    try {
      const fresh = await get(['runs', id])
      if (signal.aborted) return
      view.messages.set(fresh.messages ?? [], since)
      model.put(fresh, since)
      follow()
    } catch (problem) {
      if (!signal.aborted) view.fail(problem, run)
    }
  }

  // Take the run from the model, so that the list and this pane always agree.
  function follow() {
    const known = model.runs.get(id)
    if (!known || (known === run?.known && known.touched === run.touched)) return
    if (run && known.state !== run.state) tell(`${known.task} is ${known.state}`)
    run = { ...known, known }
    show()
  }

  const readSoon = () => setTimeout(read, 50)
  model.watch(id, signal)
  model.on('change', (changed) => changed === id && follow(), signal)
  model.on('runs', follow, signal)
  model.on('reset', readSoon, signal)
  model.on(`run ${id}`, (event) => {
    view.hear(event)
    if (TURNS.has(event.event)) readSoon()
  }, signal)
  view.commands(() => run, read)
  read()
  return { node: view.node }
}

function parts(id) {
  const state = stateMark()
  const title = h('h2', { tabindex: '-1' }, id)
  const time = label()
  const progress = bar()
  const reason = h('p.reason')
  const facts = h('dl.facts')
  const data = block('Data')
  const output = block('Output')
  const messages = lines('Messages', 'No messages yet. A task sends one with self.message(text).')
  const events = lines('Events', 'No events since this page was opened. A task emits one with self.emit(name, data).')
  const told = actions()
  const editor = h('div.editor', { hidden: '' })
  const gone = h('p.gone', { role: 'alert', hidden: '' })
  const body = h('div', null, h('p.now', null, state.node, time.node, progress.node), reason, told.node, editor, output.node, messages.node, data.node, facts, events.node)
  const node = h('article.one', { 'aria-busy': 'true' }, h('a.back', { href: link('/') }, '← Runs'), title, h('p.name', null, h('code', null, id)), gone, body)
  body.hidden = true

  return {
    node, messages,
    update(run) {
      setAttribute(node, 'aria-busy', null)
      body.hidden = false
      gone.hidden = true
      setText(title, run.task || '(no task)')
      state.update(run.state)
      when(time, run)
      progress.update(run)
      setText(reason, run.reason ? `Reason: ${run.reason}` : '')
      setShown(reason, Boolean(run.reason))
      setShown(output.node, run.output !== null && run.output !== undefined && isEnded(run))
      output.show(run.state === 'ERROR' ? 'Error' : run.state === 'EXCEPTION' ? 'Exception' : 'Output', outputText(run))
      data.show('Data', plain(run.data, 2))
      setShown(messages.node, !isEnded(run) || messages.has())
      setShown(events.node, !isEnded(run) || events.has())
      showFacts(facts, run)
      this.showCommands?.(run)
    },
    hear({ event, data, at, seq }) {
      if (event === 'message') messages.add({ at, text: plain(data?.text ?? data) })
      else if (event !== 'progress') events.add({ at, text: `${event}  ${data === null || data === undefined ? '' : plain(data)}`, seq })
    },
    fail(problem, run) {
      setAttribute(node, 'aria-busy', null)
      setText(gone, problem.status === 404 ? `There is no run ${id}: it was removed, or it ended long ago.` : problem.message)
      gone.hidden = false
      if (!run) setText(title, 'No such run')
    },
    commands(now, read) {
      this.showCommands = commands(id, told, editor, now, read)
    },
  }
}

function commands(id, told, editor, now, read) {
  const order = (verb, body) => async () => {
    const answered = await post(['runs', id, verb], body?.() ?? {})
    setTimeout(read, 50)
    return answered
  }
  let isStopping = false
  const stop = told.add('Stop', async () => {
    const answered = await order('stop', () => (isStopping ? { grace: 0 } : {}))()
    isStopping = answered.answer === 'requested'
    return answered
  }, { twice: 'Really stop?' })
  const pause = told.add('Pause', order('pause'))
  const resume = told.add('Resume', order('resume'))
  const retry = told.add('Retry', order('retry'))
  const reload = told.add('Reload with…', async () => void (await edit(editor, now(), told, read)))
  const again = told.add('Start another', async () => {
    const { task, data } = await get(['runs', id]) // read whole: the list cuts long data
    if (!(await inputsOf(task))) throw new Error(`The task ${task} cannot be started from this page.`)
    prefill(task, data)
    go(`/start/${encodeURIComponent(task)}`)
  })
  const forget = told.add('Remove', async () => {
    const answered = await remove(['runs', id])
    if (answered.answer !== 'applied') return answered
    model.forget(id)
    go('/')
  }, { twice: 'Really remove?' })
  return (run) => {
    const ended = isEnded(run)
    if (ended) isStopping = false
    const isOurs = run.local && run.task.startsWith('pytask/')
    const isFlow = run.task === FLOW
    stop.show(!ended && !isOurs, isStopping ? 'Interrupt now' : 'Stop', isStopping ? 'Really interrupt?' : 'Really stop?')
    pause.show(!ended && !isOurs && run.reason !== 'paused')
    resume.show(!ended && run.reason === 'paused')
    reload.show(run.state === 'RUNNING' && !isOurs && !isFlow)
    retry.show(ended && !isOurs)
    again.show(!isOurs && !isFlow)
    forget.show(ended)
  }
}

// The form for the new data of a running instance, as for a start.
async function edit(place, run, told, read) {
  if (!place.hidden) return void (place.hidden = true)
  const [inputs, { data }] = await Promise.all([inputsOf(run.task), get(['runs', run.id])])
  const form = schemaForm(inputs ?? { type: 'object', additionalProperties: true }, data)
  const node = h('form', { novalidate: true, onsubmit: submit }, form.node, h('div.actions', null,
    h('button.main', { type: 'submit' }, 'Reload'), h('button', { type: 'button', onclick: () => (place.hidden = true) }, 'Cancel')))
  place.replaceChildren(node)
  place.hidden = false
  place.querySelector('input, textarea, select, button').focus()

  async function submit(event) {
    event.preventDefault()
    const data = form.read()
    if (!data) return
    try {
      const { answer } = await post(['runs', run.id, 'reload'], { data })
      told.say(`Reload: ${inWords(answer)}`)
      place.hidden = true
      read()
    } catch (problem) {
      told.say(problem.message, true)
      form.refuse(problem.errors)
    }
  }
}

function outputText(run) {
  const { output } = run
  if (run.state === 'EXCEPTION' && output?.type) return output.traceback || `${output.type}: ${output.message}`
  return output === null || output === undefined ? '' : plain(output, 2)
}

const inside = (path, text) => ({ href: link(path), text })

function showFacts(list, run) {
  const took = run.ended && run.started ? span(run.ended - run.started) : ''
  const rows = [
    ['queue', run.queue], ['worker', run.worker], ['attempt', run.attempt > 1 ? run.attempt : ''], ['crashes', run.crashes || ''],
    ['created', run.created && absolute(run.created)], ['started', run.started && absolute(run.started)], ['ended', run.ended && absolute(run.ended)],
    ['took', took], ['part of', run.parent && inside(`/run/${encodeURIComponent(run.parent)}`, run.parent)],
    ['flow', run.task === FLOW && inside(`/flows/${encodeURIComponent(run.id)}`, 'its steps')], ['local', run.local ? 'yes: it ends with its worker' : ''],
  ].filter(([, value]) => value)
  const text = JSON.stringify(rows)
  if (list.dataset.shown === text) return
  list.dataset.shown = text
  list.replaceChildren(...rows.flatMap(([name, value]) => [h('dt', null, name), h('dd', null, value.href ? h('a', { href: value.href }, value.text) : String(value))]))
}

function block(name) {
  const title = h('h3', null, name)
  const text = h('pre', { tabindex: '0' })
  return {
    node: h('section', null, title, text),
    show(name, value) {
      setText(title, name)
      setText(text, value)
    },
  }
}

function lines(name, none) {
  const list = h('ol.lines', { tabindex: '0', 'aria-label': name })
  const empty = h('p.hint', null, none)
  const count = h('span.count')
  let items = []
  let isFresh = false
  const row = ({ at, text }) => h('li', null,
    at ? h('time', { datetime: iso(at), title: absolute(at) }, clock(at)) : null, h('span', null, text))

  // A list scrolled to its end stays there; one that was scrolled up does not move.
  const show = perFrame(() => {
    const isAtEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 4
    if (isFresh) list.replaceChildren()
    isFresh = false
    list.append(...items.filter((item) => !item.isShown).map((item) => {
      item.isShown = true
      return row(item)
    }))
    while (list.children.length > MOST_LINES) list.firstChild.remove()
    setShown(empty, !items.length)
    setShown(list, items.length > 0)
    setText(count, items.length ? String(items.length) : '')
    if (isAtEnd) list.scrollTop = list.scrollHeight
  })
  setShown(list, false)
  return {
    node: h('section', null, h('h3', null, name, ' ', count), empty, list),
    has: () => items.length > 0,
    add(item) {
      items.push({ ...item, heardAt: performance.now() })
      if (items.length > 2 * MOST_LINES) items = items.slice(-MOST_LINES)
      show()
    },
    /** Show what was read at `since`, and what arrived later. */
    set(read, since) {
      const text = (item) => `${item.at} ${item.text}`
      const known = new Set(read.map(text))
      const fresh = [...read, ...items.filter((item) => item.heardAt > since && !known.has(text(item)))]
      if (fresh.map(text).join('\n') === items.map(text).join('\n')) return
      items = fresh.slice(-MOST_LINES).map(({ at, text, heardAt }) => ({ at, text, heardAt }))
      isFresh = true
      show()
    },
  }
}
