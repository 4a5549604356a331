// A form made from JSON Schema, as far as the inputs of tasks need it; other types are entered as JSON.
//
// The server validates, not the form: text that does not fit the schema is sent as it is, and the server's reason is
// shown at the field, which keeps the text.

import { h, plain, setShown, setText } from './dom.js'

const HIDDEN = '***' // replaces a secret, which the server does not show
const TYPE_AGAIN = `${HIDDEN} replaces a hidden value: enter it again`

/** Tell whether a value contains something that the server has hidden. */
export const hasHidden = (value) => value === HIDDEN || (typeof value === 'object' && value !== null && Object.values(value).some(hasHidden))

/** Create fields for the schema of an object, filled with `data`. */
export function schemaForm(schema, data = {}) {
  const root = resolve(schema, schema)
  const required = new Set(root.required ?? [])
  const known = Object.entries(root.properties ?? {})
  const fields = known.map(([name, raw]) => field(name, raw, schema, required.has(name), data[name]))
  const rest = Object.entries(data).filter(([name]) => !(name in (root.properties ?? {})))
  if (root.additionalProperties !== false && (known.length || root.additionalProperties)) {
    fields.push(moreField(Object.fromEntries(rest)))
  } else if (!known.length && root.additionalProperties !== false) {
    fields.push(moreField(data, 'data'))
  }
  const others = h('ul.errors', { role: 'alert' })
  return {
    node: h('div.fields', null, fields.map(({ node }) => node), others),
    isEmpty: !fields.length,

    /** Return the data, or null if a field cannot be sent; the field then shows why. */
    read() {
      this.refuse([])
      const data = {}
      const errors = []
      for (const { name, read } of fields) {
        try {
          Object.assign(data, read())
        } catch (error) {
          errors.push({ path: name, message: error.message })
        }
      }
      this.refuse(errors)
      return errors.length ? null : data
    },

    /** Show each error at its field, others below the form; focus the first. */
    refuse(errors) {
      const left = [...errors]
      for (const { name, refuse } of fields) {
        const own = left.filter(({ path }) => firstOf(path) === name)
        own.forEach((error) => left.splice(left.indexOf(error), 1))
        refuse(own.map(({ path, message }) => (restOf(path) ? `${restOf(path)}: ${message}` : message)))
      }
      others.replaceChildren(...left.map(({ path, message }) => h('li', null, path ? `${path}: ${message}` : message)))
      setShown(others, left.length > 0)
      this.node.querySelector('[aria-invalid="true"]')?.focus()
    },
  }
}

// Paths come as `$.tags[1]`, `data.tags[1]`, `/tags/1` or `tags[1]`.
const keys = (path) => (path ?? '').replace(/^\$\.?|^data(?=[./])/, '').match(/[^./[\]]+/g) ?? []
const firstOf = (path) => keys(path)[0] ?? ''
const restOf = (path) => keys(path).slice(1).join('.')

function resolve(schema, top) {
  const name = /^#\/\$defs\/(.*)$/.exec(schema?.$ref ?? '')?.[1]
  return name ? { ...resolve(top.$defs[name.replaceAll('~1', '/').replaceAll('~0', '~')], top), ...schema, $ref: undefined } : (schema ?? {})
}

// The kind of a field: its only type besides null.
function kindOf(raw, top) {
  const schema = resolve(raw, top)
  const any = (schema.anyOf ?? schema.oneOf)?.map((one) => resolve(one, top)) ?? (Array.isArray(schema.type) ? schema.type.map((type) => ({ ...schema, type })) : [schema])
  const others = any.filter(({ type }) => type !== 'null')
  const one = others.length === 1 ? { ...schema, ...others[0], anyOf: undefined } : schema
  const values = one.enum ?? ('const' in one ? [one.const] : null)
  const kind = values ? 'choice' : others.length > 1 ? 'any' : (one.type ?? 'any')
  return { schema: one, kind, values, takesNull: any.length > others.length || values?.includes(null) }
}

function field(name, raw, top, required, filled) {
  const isHidden = filled === HIDDEN
  const given = isHidden ? undefined : filled
  const isRequired = required || isHidden
  const { schema, kind, values, takesNull } = kindOf(raw, top)
  const hasDefault = 'default' in schema
  const id = `field-${name}`
  const about = { id, name, 'aria-describedby': `${id}-hint ${id}-error`, 'aria-required': isRequired ? 'true' : null }
  const control = make(kind, { about, schema, values, isRequired, hasDefault, given })
  const hint = [isHidden && 'hidden: enter it again', hintOf(schema, kind, values), schema.description].filter(Boolean).join(' · ')
  return shell(name, control, hint, isRequired, () => {
    const value = valueOf(control, given)
    if (isHidden && value === undefined) throw new Error('this value was hidden: enter it again')
    if (value !== undefined) return { [name]: value }
    return isRequired && takesNull ? { [name]: null } : {}
  })
}

// An untouched field sends the value it was given: a text field cannot show every JSON value.
function valueOf(control, given) {
  const value = given !== undefined && control.raw() === control.filled ? given : control.value()
  if (hasHidden(given) && hasHidden(value)) throw new Error(TYPE_AGAIN)
  return value
}

function shell(name, control, hint, isRequired, read) {
  const id = control.node.id
  const error = h('p.error', { id: `${id}-error` })
  const mark = isRequired ? h('span.required', { title: 'required' }, ' required') : null
  const node = h('div.field', { 'data-field': name },
    h('label', { for: id }, control.label ?? name, mark),
    h('p.hint', { id: `${id}-hint` }, hint),
    control.node, error)
  return {
    name, node, read,
    refuse(messages) {
      setText(error, messages.join('; '))
      setShown(error, messages.length > 0)
      if (messages.length) control.node.setAttribute('aria-invalid', 'true')
      else control.node.removeAttribute('aria-invalid')
    },
  }
}

function hintOf(schema, kind, values) {
  const words = { integer: 'whole number', number: 'number', array: 'JSON list', object: 'JSON object', any: 'text or JSON', string: schema.format ?? 'text', boolean: '', choice: '' }
  const told = [words[kind] ?? kind]
  if (schema.minimum !== undefined) told.push(`at least ${schema.minimum}`)
  if (schema.exclusiveMinimum !== undefined) told.push(`more than ${schema.exclusiveMinimum}`)
  if (schema.maximum !== undefined) told.push(`at most ${schema.maximum}`)
  if (schema.exclusiveMaximum !== undefined) told.push(`less than ${schema.exclusiveMaximum}`)
  if (schema.minLength) told.push(`at least ${schema.minLength} characters`)
  if (schema.maxLength !== undefined) told.push(`at most ${schema.maxLength} characters`)
  if (schema.pattern) told.push(`matching ${schema.pattern}`)
  if (kind === 'array' && schema.items?.type) told[0] = `JSON list of ${schema.items.type}s`
  if ('default' in schema && schema.default !== null && !values && kind !== 'boolean') told.push(`default ${plain(schema.default)}`)
  return told.filter(Boolean).join(' · ')
}

function make(kind, given) {
  if (kind === 'choice') return choice(given, given.values)
  if (kind === 'boolean') return isTick(given) ? tick(given) : choice(given, [true, false])
  if (kind === 'array' || kind === 'object') return area(given, (text) => json(text))
  if (kind === 'integer' || kind === 'number') return textual(given, number, 'decimal')
  if (kind === 'string') return textual(given, (text) => text)
  return area(given, (text) => json(text, text))
}

const isTick = ({ schema, given }) => typeof schema.default === 'boolean' && (given === undefined || typeof given === 'boolean')

// A number that JavaScript cannot hold exactly is sent as text, and the server converts it.
function number(text) {
  const trimmed = text.trim()
  const value = Number(trimmed)
  const isExact = /^-?\d+$/.test(trimmed) ? Number.isSafeInteger(value) : /^-?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(trimmed)
  return isExact && Number.isFinite(value) ? value : text
}

function json(text, otherwise) {
  try {
    return JSON.parse(text)
  } catch (error) {
    if (otherwise !== undefined) return otherwise
    throw new Error(`this is not JSON: ${error.message}`, { cause: error })
  }
}

const made = (node, raw, value) => ({ node, raw, value, filled: raw() })

function textual({ about, given }, parse, inputmode) {
  const isLong = typeof given === 'string' && given.includes('\n')
  const node = h(isLong ? 'textarea' : 'input', { ...about, type: isLong ? null : 'text', inputmode, autocomplete: 'off', spellcheck: 'false' })
  if (given !== undefined && given !== null) node.value = plain(given)
  return made(node, () => node.value, () => (node.value === '' ? undefined : parse(node.value)))
}

function area({ about, schema, given }, parse) {
  const node = h('textarea', { ...about, rows: schema.type === 'object' ? 3 : 2, spellcheck: 'false', autocomplete: 'off' })
  if (given !== undefined && given !== null) node.value = plain(given, typeof given === 'object' ? 1 : undefined)
  return made(node, () => node.value, () => (node.value.trim() === '' ? undefined : parse(node.value)))
}

function tick({ about, schema, given }) {
  const node = h('input', { ...about, type: 'checkbox' })
  node.checked = Boolean(given ?? schema.default)
  return made(node, () => node.checked, () => (node.checked === schema.default && given === undefined ? undefined : node.checked))
}

function choice({ about, schema, isRequired, hasDefault, given }, values) {
  const none = hasDefault ? `default: ${plain(schema.default)}` : isRequired ? 'choose' : 'not given'
  const node = h('select', about, h('option', { value: '' }, none), values.map((value, i) => h('option', { value: i }, plain(value))))
  const at = values.findIndex((value) => JSON.stringify(value) === JSON.stringify(given))
  if (at >= 0) node.value = String(at)
  return made(node, () => node.value, () => (node.value === '' ? undefined : values[Number(node.value)]))
}

function moreField(given, name = 'more') {
  const id = `all-${name}` // not `field-…`: an input may have this name
  const about = { id, name, 'aria-describedby': `${id}-hint ${id}-error` }
  const filled = Object.keys(given).length ? given : undefined
  const control = area({ about, schema: { type: 'object' }, given: filled }, (text) => json(text))
  control.label = name === 'more' ? 'other fields' : name
  const hint = name === 'more' ? 'JSON object; this task accepts any other fields' : 'JSON object'
  return shell(name, control, hint, false, () => {
    const value = valueOf(control, filled) ?? {}
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('this is not a JSON object')
    return value
  })
}
