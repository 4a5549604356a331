// Drives Chromium for pytest: one JSON object a line in, one out. `{tab, method, args}` calls that method of the
// tab's page; 'open' makes a tab, 'problems' tells what its console complained of.

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
  page.setDefaultTimeout(20_000)
  page.on('pageerror', (error) => problems.push(`${error}`))
  page.on('console', (message) => message.type() === 'error' && problems.push(message.text()))
  return tabs.push({ page, problems }) - 1
}

async function call({ tab, method, args }) {
  if (method === 'open') return open(...args)
  const { page, problems } = tabs[tab]
  if (method === 'problems') return problems.splice(0)
  const [name, owner = page] = method.split('.').reverse().map((part, i) => (i ? page[part] : part))
  const value = await owner[name](...args)
  return ['string', 'number', 'boolean'].includes(typeof value) || method === 'evaluate' ? value : null
}

for await (const line of createInterface({ input: process.stdin })) {
  const answered = await call(JSON.parse(line)).then((value) => ({ value }), (error) => ({ error: String(error.message) }))
  process.stdout.write(`${JSON.stringify(answered)}\n`)
}
await browser.close()
