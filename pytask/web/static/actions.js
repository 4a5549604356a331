// Buttons that tell the server something, and say what it has answered: an answer is what is true, never a hope.

import { h, setShown, setText } from './dom.js'

const ARMED_MS = 6000 // a second thought comes sooner; then the button is what it was

const WORDS = {
  applied: 'done',
  requested: 'requested: its worker has been told',
  refused: 'refused: pytask needs it, or it belongs to its worker',
  not_found: 'there is no such run any more',
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
    button.disabled = true
    try {
      const answered = await work()
      if (answered !== undefined) say(`${button.dataset.word}: ${typeof answered === 'string' ? answered : inWords(answered.answer)}`)
    } catch (problem) {
      say(problem.message, true)
    } finally {
      button.disabled = false
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
    node.addEventListener('click', () => {
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
        setShown(node, isShown)
      },
    }
  }
  return { node: h('div', null, row, answer), add, say }
}
