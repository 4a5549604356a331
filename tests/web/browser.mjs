// Drives Chromium for pytest: one JSON object a line in, one out. `{tab, method, args}` calls that method of the
// tab's page; 'open' makes a tab, 'problems' tells what its console complained of, 'answer' lets paths of the API
// answer what is given, and 'asked' tells what was posted there.

import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'

const { chromium } = createRequire(`${process.argv[2]}/`)('playwright-core')
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']
const browser = await chromium.launch({ executablePath: process.argv[3], args: FLAGS })
const tabs = []

async function open(options) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options })
  const page = await context.newPage()
  const problems = []
  const asked = []
  page.setDefaultTimeout(20_000)
  page.on('pageerror', (error) => problems.push(`${error}`))
  page.on('console', (message) => message.type() === 'error' && problems.push(message.text()))
  return tabs.push({ page, problems, asked }) - 1
}

async function call({ tab, method, args }) {
  if (method === 'open') return open(...args)
  const { page, problems, asked } = tabs[tab]
  if (method === 'problems') return problems.splice(0)
  if (method === 'asked') return asked.splice(0)
  if (method === 'answer') return answer(page, asked, ...args)
  const [name, owner = page] = method.split('.').reverse().map((part, i) => (i ? page[part] : part))
  const value = await owner[name](...args)
  return ['string', 'number', 'boolean'].includes(typeof value) || method === 'evaluate' ? value : null
}

function answer(page, asked, path, json) {
  return page.route(`**/api/v1/${path}`, (route) => {
    const request = route.request()
    if (request.method() === 'POST') asked.push([path, request.postDataJSON()])
    return route.fulfill({ json })
  })
}

for await (const line of createInterface({ input: process.stdin })) {
  const answered = await call(JSON.parse(line)).then((value) => ({ value }), (error) => ({ error: String(error.message) }))
  process.stdout.write(`${JSON.stringify(answered)}\n`)
}
await browser.close()
