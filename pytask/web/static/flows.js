// Flows: the list, and one flow with its steps.

import { actions, inWords } from './actions.js'
import { get, post } from './api.js'
import { h, Lines, plain, setAttribute, setShown, setText } from './dom.js'
import { isEnded, model } from './model.js'
import { link } from './place.js'
import { routinesPart } from './routines.js'
import { stateMark } from './runs.js'
import { poll } from './tables.js'

// A flow is a run, and the list of runs, which gets events, has its latest state.
const stateOf = (flow) => model.runs.get(flow.id)?.state ?? flow.state

export function flowsPane(name, signal) {
  return name ? flowPane(name, signal) : listPane(signal)
}

function listPane(signal) {
  const list = h('ol.flows', { 'aria-label': 'Flows' })
  const empty = h('div.empty', { hidden: '' },
    h('p', null, 'No flows. A flow runs ordered steps, each of them a task; while it waits, it occupies no worker:'),
    h('pre', null, "routine('nightly', ['fetch', 'sign', 'send'])\nsubmit(flow('nightly'), day='monday')"))
  const problem = h('p.gone', { role: 'alert', hidden: '' })
  const lines = new Lines(list, (flow) => flow.id, flowLine)
  const routines = routinesPart()
  poll(async () => {
    try {
      const [{ flows }] = await Promise.all([get(['flows']), routines.read()])
      lines.show(flows)
      setShown(empty, !flows.length)
      setShown(problem, false)
    } catch (failure) {
      setText(problem, failure.message)
      setShown(problem, true)
    }
  }, signal)
  return { node: h('section.page', null, h('h2', { tabindex: '-1' }, 'Flows'), problem, list, empty, routines.node) }
}

function flowLine(flow) {
  const state = stateMark()
  const at = h('span.gist')
  const node = h('li', null, h('a.flow', { href: link(`/flows/${encodeURIComponent(flow.id)}`) }, state.node, h('span.task', null, flow.name || flow.id), h('code.id', null, flow.id), at))
  return {
    node,
    update(flow) {
      state.update(stateOf(flow))
      const step = flow.steps[flow.position]
      setText(at, [`${Math.min(flow.position, flow.steps.length)} of ${flow.steps.length} steps`, step && !isDone(flow) ? step.name ?? step.key : '', flow.reason].filter(Boolean).join(' · '))
    },
  }
}

const isDone = (flow) => stateOf(flow) === 'SUCCESS'

/** Return the state of a step: SUCCESS before the current one, the flow's state there, '' after it. */
export function stepState(flow, position) {
  if (position < flow.position || isDone(flow)) return 'SUCCESS'
  if (position > flow.position) return ''
  return stateOf(flow)
}

function flowPane(id, signal) {
  const title = h('h2', { tabindex: '-1' }, id)
  const state = stateMark()
  const reason = h('p.reason')
  const steps = h('ol.steps', { 'aria-label': 'Steps' })
  const lines = new Lines(steps, (step) => step.position, stepLine)
  const problem = h('p.gone', { role: 'alert', hidden: '' })
  const told = actions()
  const anchor = h('a', null, 'its run')
  const turn = poll(read, signal)
  model.on(`run ${id}`, () => turn(), signal)
  const order = (verb, body = {}) => async () => {
    const answered = await post(['flows', id, verb], body)
    setTimeout(turn, 50)
    return inWords(answered.answer ?? 'applied')
  }
  const submit = told.add('Continue', order('submit', { data: {} }))
  const force = told.add('Skip this step', order('force', { output: null }), { twice: 'Really skip it, with null as its result?' })
  const retry = told.add('Retry', order('retry'))
  const stop = told.add('Stop', async () => inWords((await post(['runs', id, 'stop'])).answer), { twice: 'Really stop it and the runs it started?' })

  async function read() {
    let flow
    try {
      flow = await get(['flows', id])
      setShown(problem, false)
    } catch (failure) {
      setText(problem, failure.message)
      return setShown(problem, true)
    }
    const is = stateOf(flow)
    state.update(is)
    setText(title, flow.name || id)
    setText(reason, flow.reason ?? '')
    setShown(reason, Boolean(flow.reason))
    anchor.setAttribute('href', link(`/run/${encodeURIComponent(id)}`))
    lines.show(flow.steps.map((step, position) => ({ ...step, position, flow })))
    const ended = isEnded({ state: is })
    submit.show(is === 'WAIT')
    force.show(is === 'WAIT' || is === 'ERROR' || is === 'EXCEPTION')
    retry.show(ended && is !== 'SUCCESS')
    stop.show(!ended)
  }
  return { node: h('section.page', null, h('a.back.always', { href: link('/flows') }, '← Flows'), title, h('p.now', null, state.node, h('span', null, anchor)), problem, reason, told.node, steps) }
}

function stepLine(step) {
  const state = stateMark()
  const byHand = h('span.hint')
  const result = h('pre', { hidden: '', tabindex: '0' })
  const node = h('li', null, h('div.step', null, state.node, h('span.task', null, step.name), h('code.id', null, step.task), byHand), result)
  return {
    node,
    update({ flow, position }) {
      const is = stepState(flow, position)
      state.update(is)
      if (!is) setText(state.node.lastChild, 'to come')
      setAttribute(node, 'aria-current', position === flow.position && !isDone(flow) ? 'step' : null)
      const forced = at(flow.forced, position)
      setText(byHand, forced ? `skipped${forced.by ? ` by ${forced.by}` : ''}` : '')
      const error = at(flow.errors, position)?.error
      const isWrong = error !== undefined && position === flow.position
      const found = at(flow.results, position)
      const text = isWrong ? (error?.traceback ?? plain(error, 2)) : found ? plain(found.value, 2) : ''
      setText(result, text)
      setShown(result, text !== '')
      result.classList.toggle('bad', isWrong)
    },
  }
}

// Results, errors and skipped steps are lists of rows, each with its position.
const at = (rows, position) => rows?.find((row) => row.position === position)
