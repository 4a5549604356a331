// Buttons that send commands, and show the answers. An answer reports the state at that moment, not an intention.

import { h, setShown, setText } from './dom.js'

const ARMED_MS = 6000 // for the second press that confirms; then the button resets

const WORDS = {
  applied: 'done',
  requested: 'requested; its worker has been notified',
  full: 'not sent: too many messages are waiting',
}

export const inWords = (answer) => WORDS[answer] ?? `not possible: already ${answer}`

/** A row of buttons, and one line for the last answer. */
export function actions() {
  const row = h('div.actions')
  const answer = h('p.answer', { role: 'status' })
  const say = (text, isBad = false) => {
    setText(answer, text)
    answer.classList.toggle('bad', isBad)
    setShown(answer, Boolean(text))
  }
  say('')

  async function carryOut(button, work) {
    button.setAttribute('aria-disabled', 'true') // `disabled` would lose the focus
    try {
      const answered = await work()
      if (answered !== undefined) say(`${button.dataset.word}: ${typeof answered === 'string' ? answered : inWords(answered.answer)}`)
    } catch (problem) {
      say(problem.message, true)
    } finally {
      button.removeAttribute('aria-disabled')
    }
  }

  /** Add a button; with `twice` the first press only shows this text, and the second one acts. */
  function add(word, work, { twice = '' } = {}) {
    let timer = 0
    const node = h('button', { type: 'button', 'data-word': word }, word)
    const disarm = () => {
      clearTimeout(timer)
      timer = 0
      node.classList.remove('armed')
      setText(node, node.dataset.word)
    }
    node.addEventListener('click', (event) => {
      if (node.hasAttribute('aria-disabled') || event.detail > 1) return // a double click counts once
      if (twice && !timer) {
        timer = setTimeout(disarm, ARMED_MS)
        node.classList.add('armed')
        return setText(node, node.dataset.twice)
      }
      disarm()
      carryOut(node, work)
    })
    node.dataset.twice = twice
    node.addEventListener('blur', () => timer && disarm())
    node.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && timer) event.stopPropagation(disarm())
    })
    row.append(node)
    return {
      node,
      /** Show it with this label, or hide it. */
      show(isShown, newWord = word, newTwice = twice) {
        node.dataset.word = newWord
        node.dataset.twice = newTwice
        if (!timer) setText(node, newWord)
        if (!isShown && document.activeElement === node) node.closest('article, section')?.querySelector('h2')?.focus()
        setShown(node, isShown)
      },
    }
  }
  return { node: h('div', null, row, answer), add, say }
}
