// The HTTP API of this server, beside the page wherever it is mounted.

import { learnClock } from './times.js'

export const base = new URL('../api/v1/', import.meta.url)

/** What the server has refused, with all that it said: `status`, `errors` by path. */
export class Problem extends Error {
  constructor(status, problem) {
    super(problem?.detail || problem?.title || `the server answered ${status}`)
    this.status = status
    this.errors = problem?.errors ?? []
  }
}

/** Return the URL of a path; its parts are encoded: a run's id or a task's name may hold slashes. */
export function address(parts, query = {}) {
  const url = new URL(parts.map(encodeURIComponent).join('/'), base)
  for (const [name, value] of Object.entries(query)) if (value !== '' && value !== undefined) url.searchParams.set(name, value)
  return url
}

async function ask(method, parts, query, body) {
  let response
  try {
    response = await fetch(address(parts, query), {
      method,
      headers: { Accept: 'application/json', ...(body && { 'Content-Type': 'application/json' }) },
      body: body && JSON.stringify(body),
      cache: 'no-store',
    })
  } catch {
    const known = method === 'GET' ? '' : '; whether it has done that is not known'
    throw new Problem(0, { detail: `The server can not be reached${known}.` })
  }
  learnClock(response.headers.get('Date'))
  const answer = await response.json().catch(() => null)
  if (!response.ok) throw new Problem(response.status, answer)
  return answer
}

export const get = (parts, query) => ask('GET', parts, query)
export const post = (parts, body = {}) => ask('POST', parts, {}, body)
export const remove = (parts) => ask('DELETE', parts, {})
