// Workers and schedules: small tables that are read again while they are open.

import { actions, inWords } from './actions.js'
import { get, post } from './api.js'
import { h, Lines, setShown, setText } from './dom.js'
import { model } from './model.js'
import { link } from './place.js'
import { label } from './times.js'

const EVERY_MS = 3000

/** Call `work` every few seconds, and after each reset, until `signal` aborts. */
export function poll(work, signal, every = EVERY_MS) {
  let timer = 0
  let isTurning = false
  const turn = async () => {
    if (isTurning || signal.aborted) return
    isTurning = true
    clearTimeout(timer)
    if (!document.hidden) await work()
    isTurning = false
    if (!signal.aborted) timer = setTimeout(turn, every)
  }
  model.on('reset', turn, signal)
  signal.addEventListener('abort', () => clearTimeout(timer))
  turn()
  return turn
}

function tablePane({ title, heads, make, read, none }, signal) {
  const body = h('tbody', { role: 'rowgroup' })
  const head = h('h2', { tabindex: '-1' }, title)
  const table = h('table', { role: 'table', hidden: '', 'aria-label': title }, h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, heads.map((name) => h('th', { role: 'columnheader', scope: 'col' }, name)))), body)
  const empty = h('div.empty', { hidden: '' }, none)
  const problem = h('p.gone', { role: 'alert', hidden: '' })
  const lines = new Lines(body, (item) => item.id ?? item.name, (item) => make(item, () => turn()))
  const node = h('section.page', null, head, problem, h('div.wide', null, table), empty)
  const turn = poll(async () => {
    try {
      const items = await read()
      lines.show(items)
      setShown(table, items.length > 0)
      setShown(empty, !items.length)
      setShown(problem, false)
    } catch (failure) {
      setText(problem, failure.message)
      setShown(problem, true)
    }
  }, signal)
  return { node }
}

// A row of cells, each written by a function of the item.
function row(heads, cells) {
  // With ARIA roles: in a narrow window the CSS makes these blocks, and browsers then ignore the table.
  const nodes = cells.map((cell, i) => h('td', { role: 'cell', 'data-head': heads[i] }, cell.node))
  return {
    node: h('tr', { role: 'row' }, nodes),
    update(item) {
      for (const cell of cells) cell.update(item)
    },
  }
}

function text(of, tag = 'span') {
  const node = h(tag)
  return { node, update: (item) => setText(node, String(of(item) ?? '')) }
}

function moment(of, form) {
  const time = label()
  return { node: time.node, update: (item) => time.update(of(item), form) }
}

const WORKER_HEADS = ['Worker', 'Host', 'Process', 'Queues', 'Runs', 'Event loop lag', 'Version', 'State']

export function workersPane(_name, signal) {
  return tablePane({
    title: 'Workers',
    heads: WORKER_HEADS,
    read: async () => (await get(['workers'])).workers,
    make: () => row(WORKER_HEADS, [
      text((w) => w.id, 'code'), text((w) => w.host), text((w) => w.pid), text((w) => w.queues.join(', ')),
      text((w) => `${w.taken ?? '?'} of ${w.slots ?? '?'}`), text((w) => (w.lag_ms ? `${w.lag_ms} ms` : '')), text((w) => w.version),
      text((w) => w.troubles || (w.draining ? 'shutting down: takes no new runs' : 'ok'))]),
    none: [h('p', null, 'No workers, so runs wait in their queues. Start a worker in the folder of your tasks:'), h('pre', null, 'pytask worker')],
  }, signal)
}

const SCHEDULE_HEADS = ['Schedule', 'Task', 'Trigger', 'Next', 'Last', '']

export function schedulesPane(_name, signal) {
  return tablePane({
    title: 'Schedules',
    heads: SCHEDULE_HEADS,
    read: async () => (await get(['schedules'])).schedules,
    make: (schedule, again) => row(SCHEDULE_HEADS, [text((s) => s.name), text((s) => s.task), trigger(), next(), last(), scheduleActions(schedule.name, again)]),
    none: [h('p', null, 'No schedules. A schedule starts runs of a task at set times. Declare it with the task:'),
      h('pre', null, "@app.cron('*/5 * * * *', tz='Europe/Berlin')\n@task\ndef tidy(): ..."),
      h('p', null, 'Each time, exactly one worker fires it.')],
  }, signal)
}

function trigger() {
  const words = h('code')
  const zone = h('span.hint')
  return {
    node: h('span', null, words, ' ', zone),
    update(schedule) {
      setText(words, schedule.trigger)
      setText(zone, schedule.tz ?? '')
    },
  }
}

function next() {
  const time = label()
  const word = h('span')
  return {
    node: h('span', null, word, time.node),
    update(schedule) {
      const told = schedule.is_paused ? 'paused' : schedule.missed ? 'missed' : schedule.is_declared === false ? 'not declared by any worker' : schedule.next_at ? '' : 'done'
      setText(word, told)
      time.update(told ? null : schedule.next_at, 'in')
    },
  }
}

function last() {
  const time = label()
  const anchor = h('a', null, time.node)
  const never = h('span', null, 'never')
  return {
    node: h('span', null, anchor, never),
    update({ last_at: at, last_run: run }) {
      time.update(at, 'ago')
      if (run) anchor.setAttribute('href', link(`/run/${encodeURIComponent(run)}`))
      else anchor.removeAttribute('href')
      setShown(never, !at)
    },
  }
}

function scheduleActions(name, again) {
  const told = actions()
  const order = (verb) => async () => {
    const answered = await post(['schedules', name, verb])
    setTimeout(again, 50)
    return answered.id ? `run ${answered.id}` : inWords(answered.answer)
  }
  told.add('Run now', order('run'), { twice: 'Really run?' })
  const pause = told.add('Pause', order('pause'))
  const resume = told.add('Resume', order('resume'))
  return {
    node: told.node,
    update(schedule) {
      pause.show(!schedule.is_paused)
      resume.show(Boolean(schedule.is_paused))
    },
  }
}
