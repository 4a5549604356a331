// Buttons that tell the server something, and say what it has answered: an answer is what is true, never a hope.

import { h, setShown, setText } from './dom.js'

const ARMED_MS = 6000 // a second thought comes sooner; then the button is what it was

const WORDS = {
  applied: 'done',
  requested: 'requested: its worker has been told',
  full: 'full: too many messages wait',
}

export const inWords = (answer) => WORDS[answer] ?? `it is ${answer} already`

/** A row of buttons with one line for what was answered. */
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
    button.setAttribute('aria-disabled', 'true') // one that is disabled loses the focus
    try {
      const answered = await work()
      if (answered !== undefined) say(`${button.dataset.word}: ${typeof answered === 'string' ? answered : inWords(answered.answer)}`)
    } catch (problem) {
      say(problem.message, true)
    } finally {
      button.removeAttribute('aria-disabled')
    }
  }

  /** Add a button; one that asks twice says on the first press what the second would do. */
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
      if (node.hasAttribute('aria-disabled') || event.detail > 1) return // a double click is one press
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
      /** Show it under this word, or not at all. */
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
