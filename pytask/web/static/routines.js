// Routines: ordered steps for flows, and a form that starts a flow.

import { get, post } from './api.js'
import { h, Lines, setShown, setText } from './dom.js'
import { go } from './place.js'

/** The list of routines; `read` updates it. */
export function routinesPart() {
  const list = h('ol.flows', { 'aria-label': 'Routines' })
  const lines = new Lines(list, (routine) => routine.name, routineLine)
  const node = h('section', { hidden: '' }, h('h3', null, 'Routines'), list)
  return {
    node,
    async read() {
      const { routines } = await get(['routines'])
      lines.show(routines)
      setShown(node, routines.length > 0)
    },
  }
}

function routineLine({ name }) {
  const steps = h('span.gist')
  const data = h('textarea', { rows: 2, spellcheck: 'false', 'aria-label': `Data for ${name}`, placeholder: '{"name": "value"}' })
  const problem = h('p.answer.bad', { role: 'alert', hidden: '' })
  const form = h('form', { hidden: '', novalidate: true, onsubmit: start }, data, problem, h('div.actions', null, h('button.main', { type: 'submit' }, 'Start')))
  const open = h('button', { type: 'button', 'aria-expanded': 'false', onclick: toggle }, 'Start a flow…')
  const node = h('li', null, h('div.flow', null, h('span.task', null, name), steps, open), form)

  function toggle() {
    setShown(form, form.hidden)
    open.setAttribute('aria-expanded', String(!form.hidden))
    if (!form.hidden) data.focus()
  }

  async function start(event) {
    event.preventDefault()
    setShown(problem, false)
    try {
      const flow = await post(['flows'], { routine: name, data: JSON.parse(data.value.trim() || '{}') })
      go(`/flows/${encodeURIComponent(flow.id)}`)
    } catch (failure) {
      const told = failure instanceof SyntaxError ? `This is not JSON: ${failure.message}` : failure.message
      setText(problem, [told, ...(failure.errors ?? []).map(({ path, message }) => `${path}: ${message}`)].join('\n'))
      setShown(problem, true)
    }
  }

  return {
    node,
    update(routine) {
      setText(steps, routine.steps.map((step) => step.name).join(' → '))
    },
  }
}
