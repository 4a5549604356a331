// The HTTP API of this server. Its URL is relative to the page, so the site may be mounted anywhere.

import { learnClock } from './times.js'

export const base = new URL('../api/v1/', import.meta.url)

/** An error that the server answered: `status`, and `errors` with their paths. */
export class Problem extends Error {
  constructor(status, problem) {
    super(problem?.detail || problem?.title || `the server answered ${status}`)
    this.status = status
    this.errors = problem?.errors ?? []
  }
}

/** Return the URL of a path. Parts are encoded, since a run's id or a task's name may contain slashes. */
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
    const doubt = method === 'GET' ? '' : ' It may or may not have received the command.'
    throw new Problem(0, { detail: `The server cannot be reached.${doubt}` })
  }
  learnClock(response.headers.get('Date'))
  const answer = await response.json().catch(() => null)
  if (!response.ok) throw new Problem(response.status, answer)
  return answer
}

export const get = (parts, query) => ask('GET', parts, query)
export const post = (parts, body = {}) => ask('POST', parts, {}, body)
export const remove = (parts) => ask('DELETE', parts, {})
