// The pane that starts a run: choose a task, then fill in a form made from its inputs.

import { get, post } from './api.js'
import { h, plain, setShown, setText } from './dom.js'
import { hasHidden, schemaForm } from './form.js'
import { model } from './model.js'
import { go, link } from './place.js'

let filled = { task: '', data: {} }
/** Fill the next form of this task with the data of a run, for "Start another". */
export const prefill = (task, data) => (filled = { task, data })

let known = null
async function tasks() {
  const { tasks } = await get(['tasks'])
  return (known = tasks)
}

/** Return the schema of a task's inputs, or null if the server does not offer the task. */
export async function inputsOf(name) {
  return (known ?? (await tasks())).find((task) => task.name === name)?.inputs ?? null
}

export function startPane(name, signal) {
  const body = h('div', { 'aria-busy': 'true' })
  const node = h('article.one.start', null, h('a.back', { href: link('/') }, '← Runs'), body)
  let hasFailed = false
  const draw = async () => {
    try {
      const all = await tasks()
      if (signal.aborted) return
      const task = all.find((task) => task.name === name)
      body.replaceChildren(...(task ? taskForm(task) : choose(all, name)))
      hasFailed = false
    } catch (problem) {
      hasFailed = true
      body.replaceChildren(h('h2', { tabindex: '-1' }, 'Start a run'), h('p.gone', { role: 'alert' }, problem.message))
    }
    body.removeAttribute('aria-busy')
  }
  // Not otherwise: the user may be filling in the form.
  model.on('reset', () => hasFailed && draw(), signal)
  draw()
  return { node }
}

function choose(all, missing) {
  const title = h('h2', { tabindex: '-1' }, 'Start a run')
  const wrong = missing && h('p.gone', { role: 'alert' }, `The task ${missing} cannot be started from this page.`)
  if (!all.length) {
    return [title, wrong, h('div.empty', null,
      h('p', null, 'No task can be started from this page. Set EXPOSE to offer one:'),
      h('pre', null, 'class Crawl(Task):\n    NAME = \'site/crawl\'\n    EXPOSE = True'),
      h('p', null, h('code', null, 'pytask dev'), ' offers all tasks.'))].filter(Boolean)
  }
  return [title, wrong, h('ul.tasks', null, all.map(({ name, doc }) =>
    h('li', null, h('a', { href: link(`/start/${encodeURIComponent(name)}`) }, name), doc ? h('span.hint', null, doc.split('\n')[0]) : null)))].filter(Boolean)
}

function taskForm(task) {
  const data = filled.task === task.name ? filled.data : {}
  filled = { task: '', data: {} }
  const asJson = h('textarea', { id: 'data-json', rows: 8, spellcheck: 'false', 'aria-label': 'Data as JSON' })
  const jsonPart = h('div.field', { hidden: '' }, h('label', { for: 'data-json' }, 'Data as JSON'), asJson)
  let form = schemaForm(task.inputs, data)
  const fieldsPart = h('div', null, form.node)
  const problem = h('p.answer.bad', { role: 'alert', hidden: '' })
  const started = h('button.main', { type: 'submit' }, 'Start')
  const more = options(task)
  const change = h('button.quiet', { type: 'button', onclick: swap }, 'Data as JSON')
  const node = h('form', { novalidate: true, onsubmit: submit }, fieldsPart, jsonPart, more.node, problem, h('div.actions', null, started, change))

  function swap() {
    say('')
    const toJson = jsonPart.hidden
    if (toJson) {
      const read = form.read()
      if (!read) return
      asJson.value = plain(read, 2)
    } else {
      const read = fromJson()
      if (!read) return
      form = schemaForm(task.inputs, read)
      fieldsPart.replaceChildren(form.node)
    }
    setShown(jsonPart, toJson)
    setShown(fieldsPart, !toJson)
    setText(change, toJson ? 'Data as a form' : 'Data as JSON')
  }

  function fromJson() {
    try {
      const typed = JSON.parse(asJson.value || '{}')
      if (hasHidden(data) && hasHidden(typed)) say('*** replaces a hidden value: enter it again.')
      else if (typeof typed === 'object' && typed !== null && !Array.isArray(typed)) return typed
      else say('The data must be a JSON object: {"name": value, …}.')
    } catch (error) {
      say(`The data is not JSON: ${error.message}`)
    }
    return null
  }

  function say(text) {
    setText(problem, text)
    setShown(problem, Boolean(text))
  }

  async function submit(event) {
    event.preventDefault()
    if (started.disabled) return
    say('')
    const data = jsonPart.hidden ? form.read() : fromJson()
    if (!data) return
    started.disabled = true
    try {
      const since = performance.now()
      const run = await post(['runs'], { task: task.name, data, ...more.read() })
      model.put(run, since)
      go(`/run/${encodeURIComponent(run.id)}`)
    } catch (refused) {
      say(refused.message)
      if (jsonPart.hidden) form.refuse(refused.errors)
      else say([refused.message, ...refused.errors.map(({ path, message }) => `${path}: ${message}`)].join('\n'))
    } finally {
      started.disabled = false
    }
  }

  return [h('h2', { tabindex: '-1' }, task.name), task.doc ? h('p.doc', null, task.doc) : null,
    form.isEmpty ? h('p.hint', null, 'This task takes no data.') : null, node,
    h('p.hint', null, h('a', { href: link('/start') }, 'All tasks'))].filter(Boolean)
}

// Options of a start, besides its data.
function options(task) {
  const text = (name, hint, inputmode) => {
    const node = h('input', { id: `option-${name}`, type: 'text', inputmode, autocomplete: 'off', spellcheck: 'false' })
    return { name, node, row: h('div.field', null, h('label', { for: node.id }, name), h('p.hint', null, hint), node) }
  }
  const fields = [
    text('id', 'generated if empty; starting again with the same id returns the same run'),
    text('queue', `default ${task.queue ?? 'default'}`),
    text('delay', 'seconds to wait before it starts', 'decimal'),
    text('timeout', 'seconds that one attempt may take', 'decimal'),
  ]
  return {
    node: h('details', null, h('summary', null, 'Options'), fields.map(({ row }) => row)),
    read() {
      const given = fields.filter(({ node }) => node.value.trim() !== '')
      return Object.fromEntries(given.map(({ name, node }) => [name, name === 'delay' || name === 'timeout' ? numberOr(node.value) : node.value.trim()]))
    },
  }
}

const numberOr = (text) => (Number.isNaN(Number(text)) ? text : Number(text))
