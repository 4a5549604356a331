// pytask.js against a server that does what each test says, in Node.js: what is pushed, polled, and how it rejects.

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { afterEach, beforeEach, test } from 'node:test'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

// A package without "type" is read as CommonJS by some Node.js: the text itself is what is tested.
const path = fileURLToPath(new URL('../../../pytask/web/static/pytask.js', import.meta.url))
const { TaskAPI, TaskError, events, default: shared, options } = await import(`data:text/javascript,${encodeURIComponent(await readFile(path, 'utf8'))}`)

const RUN = { uuid: 'a/1', task: 'count', status: 'pending', progress: null, target: null, outputs: null, messages: [] }
const LONG = 60_000

let server, seen, routes, streams
beforeEach(async () => {
  seen = []
  streams = []
  routes = {}
  server = createServer(async (request, response) => {
    let body = ''
    for await (const part of request) body += part
    seen.push({ method: request.method, url: request.url, headers: request.headers, body })
    const route = routes[`${request.method} ${request.url}`] ?? (() => json(response, 404, { title: 'nothing here' }))
    await route(response, request)
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
})
afterEach(() => {
  server.closeAllConnections()
  return new Promise((resolve) => server.close(resolve))
})

const api = (more = {}) => new TaskAPI({ baseURL: `http://127.0.0.1:${server.address().port}/tasks/`, pollInterval: 20, ...more })
const json = (response, code, value) => response.writeHead(code, { 'Content-Type': 'application/json' }).end(JSON.stringify(value))
const READ = 'GET /tasks/a%2F1/'
const EVENTS = 'GET /api/v1/runs/a%2F1/events'

// Let the run pass through these, one for each look; the last one stays.
function passes(...changes) {
  const left = changes.map((change) => ({ ...RUN, ...change }))
  routes['POST /tasks/'] = (response) => json(response, 201, RUN)
  routes[READ] = (response) => json(response, 200, left.length > 1 ? left.shift() : left[0])
}

function pushes() {
  routes[EVENTS] = (response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write(': hello\n\n')
    streams.push(response)
  }
}

const push = (event, id = 1) => streams.at(-1).write(`id: ${id}\nevent: ${event}\ndata: {"run": "a/1"}\n\n`)
const until = async (is) => {
  while (!is()) await new Promise((resolve) => setTimeout(resolve, 5))
}

test('resolves with the run, and tells each change once', { timeout: 10_000 }, async () => {
  passes({ status: 'running', progress: 1, target: 2 }, { status: 'running', progress: 1, target: 2 }, { status: 'succeeded', outputs: { n: 2 } })
  const told = []
  const got = []
  const ended = await api().run('count', { up_to: 2 }, (json) => told.push(json.status), (json) => got.push(json), assert.fail)
  assert.deepEqual(ended.outputs, { n: 2 })
  assert.deepEqual(told, ['pending', 'running', 'succeeded'])
  assert.deepEqual(got, [ended])
  assert.deepEqual(JSON.parse(seen[0].body), { task: 'count', inputs: { up_to: 2 } })
  assert.equal(seen[0].headers['content-type'], 'application/json')
})

test('rejects with the run where the task has failed', { timeout: 10_000 }, async () => {
  passes({ status: 'failed', outputs: { type: 'ValueError', message: 'no such page' }, messages: ['one'] })
  let err
  await assert.rejects(api().run('count', {}, null, assert.fail, (error) => (err = error)), (error) => {
    assert(error instanceof TaskError && error instanceof Error)
    assert.equal(error.kind, 'failed')
    assert.equal(error.status, 'failed')
    assert.deepEqual(error.messages, ['one'])
    assert.equal(error.message, 'count a/1 failed: no such page')
    return true
  })
  assert.equal(err.kind, 'failed')
})

test('rejects with all errors where the inputs are refused', { timeout: 10_000 }, async () => {
  const errors = [{ path: 'up_to', message: 'expected int, got str' }]
  routes['POST /tasks/'] = (response) => json(response, 400, { title: 'Bad data', detail: 'count: up_to is no int', errors })
  await assert.rejects(api().run('count', { up_to: 'many' }), { kind: 'http', code: 400, errors, message: 'Bad status: 400: count: up_to is no int' })
  assert.equal(seen.length, 1)
})

test('rejects where the inputs are no JSON, and whatever the cookies are', { timeout: 10_000 }, async () => {
  let told
  await assert.rejects(api().run('count', { n: 10n }, null, null, (error) => (told = error)), { name: 'TaskError', kind: 'inputs' })
  assert.equal(told.kind, 'inputs')
  assert.equal(seen.length, 0)
  globalThis.document = { cookie: 'a=b; csrftoken=%zz' }
  passes({ status: 'succeeded', outputs: 1 })
  try {
    assert.equal((await api().run('count')).outputs, 1)
  } finally {
    delete globalThis.document
  }
  assert.equal(seen[0].headers['x-csrftoken'], '%zz')
})

test('rejects if an answer is not JSON', { timeout: 10_000 }, async () => {
  routes['POST /tasks/'] = (response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end('<h1>Log in</h1>')
  await assert.rejects(api().run('count'), { kind: 'http', code: 200, message: 'Bad status: 200: the answer is not JSON' })
})

test('rejects if the server cannot be reached', { timeout: 10_000 }, async () => {
  const gone = api({ baseURL: 'http://127.0.0.1:1/tasks/' })
  await assert.rejects(gone.run('count'), { kind: 'network' })
})

test('rejects where the run is gone while it is followed', { timeout: 10_000 }, async () => {
  passes({})
  delete routes[READ]
  await assert.rejects(api().run('count'), { kind: 'http', code: 404 })
})

test('rejects where the server stays away, after so many retries', { timeout: 10_000 }, async () => {
  passes({})
  routes[READ] = (response) => json(response, 503, { title: 'away' })
  await assert.rejects(api({ retries: 3 }).run('count'), { kind: 'http', code: 503 })
  assert.equal(seen.filter(({ url }) => url === '/tasks/a%2F1/').length, 4)
})

test('goes on where the server comes back in time', { timeout: 10_000 }, async () => {
  passes({})
  let looks = 0
  routes[READ] = (response) => (++looks < 3 ? response.destroy() : json(response, 200, { ...RUN, status: 'succeeded' }))
  assert.equal((await api().run('count')).status, 'succeeded')
})

test('polls where nothing is pushed', { timeout: 10_000 }, async () => {
  passes({ status: 'running' }, { status: 'running' }, { status: 'succeeded' })
  assert.equal((await api().run('count')).status, 'succeeded')
  assert.equal(seen.filter(({ url }) => url.endsWith('/events')).length, 1)
})

test('is pushed where there is a stream, long before it would poll', { timeout: 10_000 }, async () => {
  pushes()
  passes({ status: 'running', progress: 1 }, { status: 'succeeded' })
  const told = []
  const ended = api({ pollInterval: LONG }).run('count', {}, ({ status }) => told.push(status))
  await until(() => told.includes('running')) // the stream has opened: looked at once
  push('success')
  assert.equal((await ended).status, 'succeeded')
  await until(() => streams[0].destroyed)
})

test('a stream that ends is had again, from where it was', { timeout: 10_000 }, async () => {
  pushes()
  passes({ status: 'running' })
  const ended = api({ pollInterval: LONG }).run('count')
  await until(() => streams.length === 1)
  push('progress', 'seven')
  await new Promise((resolve) => setTimeout(resolve, 50))
  streams[0].end()
  await until(() => streams.length === 2)
  const asked = seen.filter(({ url }) => url.endsWith('/events'))
  assert.deepEqual(asked.map(({ headers }) => headers['last-event-id']), [undefined, 'seven'])
  passes({ status: 'succeeded' })
  push('success')
  await ended
})

test('events are looked at together, however many come', { timeout: 10_000 }, async () => {
  pushes()
  passes({ status: 'running' })
  const ended = api({ pollInterval: LONG }).run('count')
  await until(() => streams.length === 1)
  for (let i = 0; i < 500; i++) push('progress', i)
  await new Promise((resolve) => setTimeout(resolve, 150))
  passes({ status: 'succeeded' })
  push('success')
  await ended
  const looks = seen.filter(({ url }) => url === '/tasks/a%2F1/').length
  assert(looks <= 8, `${looks} looks`)
})

test('sends the token of the cookie, and nothing where there is none', { timeout: 10_000 }, async () => {
  passes({ status: 'succeeded' })
  await api().run('count')
  globalThis.document = { cookie: 'other=1; csrf-tok=a%20b; last=2' }
  try {
    await api({ csrfCookieName: 'csrf-tok', csrfHeaderName: 'X-CSRF' }).run('count')
  } finally {
    delete globalThis.document
  }
  const posts = seen.filter(({ method }) => method === 'POST')
  assert.equal(posts[0].headers['x-csrftoken'], undefined)
  assert.equal(posts[1].headers['x-csrf'], 'a b')
})

test('follows a run that was started before', { timeout: 10_000 }, async () => {
  passes({ status: 'running' }, { status: 'succeeded', outputs: 7 })
  assert.equal((await api().follow('a/1')).outputs, 7)
})

test('an option that is none is refused with the list', () => {
  assert.throws(() => new TaskAPI({ baseUrl: '/x/' }), /unknown option baseUrl; valid options: baseURL, .*pollInterval/)
  assert.equal(shared.options, options)
  assert.equal(shared.configure({ baseURL: '/task-api/tasks/' }), shared)
  assert.equal(options.baseURL, '/task-api/tasks/')
})

test('events are told apart, whatever the pieces in which they come', { timeout: 10_000 }, async () => {
  const pieces = ['id: 1\r\nevent: pa', 'ge\r\ndata: {"a":\r\nda', 'ta: 1}\r\n\r', '\n: quiet\r\n\r\nevent: reset\n\ndata: "é', '"\n\n']
  routes['GET /stream'] = async (response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' })
    for (const piece of pieces) {
      response.write(piece)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    response.end()
  }
  const found = []
  const stopped = new AbortController()
  for await (const event of events(`http://127.0.0.1:${server.address().port}/stream`, { signal: stopped.signal })) {
    if (event.connection === 'closed') break
    found.push(event)
  }
  assert.deepEqual(found, [{ connection: 'open' }, { event: 'page', id: '1', data: { a: 1 } }, { event: 'reset', data: null }, { event: 'message', data: 'é' }])
})

test('a stream that is refused is not asked for again', { timeout: 10_000 }, async () => {
  routes['GET /stream'] = (response) => json(response, 401, { detail: 'who are you?' })
  const stream = events(`http://127.0.0.1:${server.address().port}/stream`)
  await assert.rejects(stream.next(), { kind: 'http', code: 401, message: 'Bad status: 401: who are you?' })
  assert.equal(seen.length, 1)
})
