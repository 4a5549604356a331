"""The live page, in Chromium, served by a real worker."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from browser import needs_browser
from sites import APP
from support import wait_until

pytestmark = [needs_browser, pytest.mark.timeout(120), pytest.mark.one_server]

ROW = '[data-run="{}"]'
# Note the moment at which an element first says STOPPED: as the clock of this machine has it, in both tabs.
WATCH = """
window.seenAt = new Promise((resolve) => {
  const look = () => {
    const row = document.querySelector(SELECTOR)
    if (row?.innerText.includes('STOPPED')) resolve(performance.timeOrigin + performance.now())
    else requestAnimationFrame(look)
  }
  look()
}), 0
"""
# Every text that is to be seen, with its contrast to what is painted behind it.
FAINT = """
(() => {
  const paint = document.createElement('canvas').getContext('2d', { willReadFrequently: true })
  const rgb = (colour) => {
    paint.clearRect(0, 0, 1, 1)
    paint.fillStyle = colour
    paint.fillRect(0, 0, 1, 1)
    return [...paint.getImageData(0, 0, 1, 1).data]
  }
  const light = (parts) => parts.slice(0, 3).map((c) => c / 255)
    .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0)
  const behind = (node) => {
    for (; node; node = node.parentElement) {
      const colour = rgb(getComputedStyle(node).backgroundColor)
      if (colour[3] === 255) return colour
    }
    return [255, 255, 255, 255]
  }
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  const faint = []
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement
    if (!walker.currentNode.data.trim() || !node.checkVisibility() || node.matches('script, noscript *')) continue
    const [one, other] = [light(rgb(getComputedStyle(node).color)), light(behind(node))].sort((a, b) => b - a)
    const ratio = (one + 0.05) / (other + 0.05)
    const told = `${node.className || node.tagName}: ${node.innerText.slice(0, 30)}: ${ratio.toFixed(2)}`
    if (ratio < 4.5) faint.push(told)
  }
  return faint
})()
"""
DOUBLE_IDS = """
[...document.querySelectorAll('[id]')].map(({ id }) => id).filter((id, i, all) => all.indexOf(id) !== i)
"""
WIDER = 'document.documentElement.scrollWidth - document.documentElement.clientWidth'
NAMELESS = """
[...document.querySelectorAll('button, a[href], input, select, textarea')].filter((node) => node.checkVisibility()
  && !(node.innerText || node.ariaLabel || [...(node.labels ?? [])].some((label) => label.innerText)))
  .map((node) => node.outerHTML)
"""


@pytest.fixture
def tab(chromium, site):
    """Open the page at a place; at the end no tab's console has complained."""
    tabs = []

    def open_at(place='/', **options):
        tab = chromium.open(site.login, **options)
        tabs.append(tab)
        tab.goto(f'http://127.0.0.1:{site.port}/#{place}')
        tab.sees('#link', 'live')
        return tab

    yield open_at
    for tab in tabs:
        found = tab.problems()
        tab.close()
        assert not [text for text in found if 'Failed to load resource' not in text]


@pytest.fixture
def client(app):
    return app.client


def start_count(tab, **fields):
    """Start a run of `count` from its form; return its id."""
    tab.js("location.hash = '#/start/count'")
    tab.sees('h2', 'count')
    for name, value in fields.items():
        tab.fill(f'[name="{name}"]', value)
    tab.click('button:text-is("Start")')
    tab.sees('.one .state', 'RUNNING')
    return tab.text('.one .name')


def test_a_run_is_started_watched_stopped_and_seen_elsewhere(site, tab, client):
    first, second = tab(), tab()
    run_id = start_count(first, up_to='1000', pause='0.05')
    row = ROW.format(run_id)
    for each in (first, second):
        each.sees(row, 'RUNNING')
        far = f'document.querySelector({json.dumps(row)}).querySelector("progress").value'
        each.until(f'{far} > 0')
        one = each.js(far)
        each.until(f'{far} > {one}')
    first.sees('[aria-label="Messages"] li', '<b>10</b> counted')

    for each in (first, second):
        each.js(WATCH.replace('SELECTOR', json.dumps(row)))
    first.click('button:text-is("Stop")')
    assert client.get(run_id).state == 'RUNNING'
    first.sees('button.armed', 'Really stop?')
    clicked = first.js('performance.timeOrigin + performance.now()')
    first.click('button.armed')
    here, there = first.js('window.seenAt'), second.js('window.seenAt')
    print(
        f'STOPPED stood in the first page {here - clicked:.0f} ms after the click, '
        f'in the second {there - clicked:.0f} ms after it: {there - here:+.0f} ms'
    )
    assert abs(there - here) < 5000
    first.sees('.one .state', 'STOPPED')
    assert client.get(run_id).state == 'STOPPED'


def test_stop_asks_twice_and_forgets_the_first_press(site, tab, client):
    page = tab()
    run_id = start_count(page)
    page.click('button:text-is("Stop")')
    page.sees('button.armed', 'Really stop?')
    page.keyboard_press('Escape')
    page.sees('button:not(.armed)', 'Stop')
    page.click('button:text-is("Stop")')
    page.focus('button:text-is("Pause")')
    page.sees('button:not(.armed)', 'Stop')
    assert client.get(run_id).state == 'RUNNING'
    client.stop(run_id)


def test_a_run_is_paused_resumed_reloaded_stopped_and_retried(site, tab, client):
    page = tab()
    run_id = start_count(page)
    page.click('button:text-is("Pause")')
    page.sees('.reason', 'paused')
    page.click('button:text-is("Resume")')
    page.until("!document.querySelector('.reason').checkVisibility()")
    page.click('button:text-is("Reload with…")')
    page.fill('.editor [name="up_to"]', 'many')
    page.click('.editor button:text-is("Reload")')
    page.sees('.answer.bad', 'up_to')
    page.fill('.editor [name="up_to"]', '7777')
    page.click('.editor button:text-is("Reload")')
    page.sees('.answer', 'Reload: done')
    page.sees('.one pre', '7777')
    assert client.get(run_id).data['up_to'] == 7777
    client.stop(run_id, wait=10)
    page.sees('.one .state', 'STOPPED')
    page.click('button:text-is("Retry")')
    page.sees('.one .state', 'RUNNING')
    client.stop(run_id, wait=10)


def test_an_exception_shows_its_traceback_as_text(site, tab, client):
    page = tab()
    run = client.start('broken', {}).wait(10)
    page.click(ROW.format(run.id))
    page.sees('.one pre', 'Traceback (most recent call last)')
    assert "raise ValueError('<img src=x onerror=alert(1)>')" in page.text('.one pre')
    page.sees(ROW.format(run.id), 'ValueError: <img src=x')
    assert page.js('document.images.length') == 0


def test_what_is_foreign_stays_text_wherever_it_stands(site, tab, client, redis):
    bad = '<img src=x onerror="window.isHit = 1">'
    run_id = f'a/b?c#d%20é {bad}'
    redis.hset(f'task-{run_id}', mapping={'task': f'{bad}/x', 'data': json.dumps({bad: bad}), 'reason': bad})
    redis.lpush('new-task', run_id)
    live = client.start('count', {}, run_id=bad)
    page = tab()
    find = f'[...document.querySelectorAll(".run")].find((row) => row.dataset.run === {json.dumps(run_id)})'
    page.until(f'Boolean({find})')
    page.js(f'{find}.click()')
    page.until(f'document.querySelector(".one .name")?.innerText === {json.dumps(run_id)}')
    page.sees('.one h2', '<img src=x')
    page.sees('.one pre', '<img src=x')
    redis.publish(f'task-{bad}', json.dumps({'event': bad, 'data': bad, 'at': 1, 'seq': 1}))
    page.js(f"location.hash = '#/run/{quote(bad, safe='')}'")
    page.sees('.one .state', 'RUNNING')
    redis.publish(f'task-{bad}', json.dumps({'event': bad, 'data': {bad: bad}, 'at': 1, 'seq': 1}))
    page.sees('[aria-label="Events"] li', bad)
    page.js(f"location.hash = '#/start/{quote(bad, safe='')}'")
    page.sees('.gone', 'The task <img')
    assert page.js('[document.images.length, window.isHit ?? 0]') == [0, 0]
    live.stop(wait=10)


def test_a_flood_of_events_does_not_hold_up_the_page(site, tab, redis, client):
    live = client.start('count', {}, run_id='live')
    page = tab('/run/live')
    page.sees('.one .state', 'RUNNING')
    with redis.pipeline() as pipe:
        for n in range(3000):
            pipe.publish('task-live', json.dumps({'event': 'page', 'data': n, 'at': 1, 'seq': n}))
        pipe.execute()
    page.sees('[aria-label="Events"] li:last-child', '2999')
    assert page.js('document.querySelectorAll(\'[aria-label="Events"] li\').length') <= 500
    reads = page.js(
        "performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('/runs/live')).length"
    )
    assert reads <= 3, 'events that change nothing are no reason to read the run again'
    live.stop(wait=10)


def test_what_is_refused_stands_at_its_field_and_is_kept(site, tab, client):
    page = tab('/start/order')
    page.sees('h2', 'order')
    assert page.texts('.field .required') == [' required', ' required'] or len(page.texts('.field .required')) == 2
    page.fill('[name="count"]', 'many')
    page.fill('[name="tags"]', '["a", 7')
    page.click('button:text-is("Start")')
    page.sees('[data-field="tags"] .error', 'not JSON')
    assert page.js('document.activeElement.name') == 'tags'
    page.fill('[name="tags"]', '["a", {}]')
    page.click('button:text-is("Start")')
    for name in ('item', 'count', 'tags'):
        page.waitForSelector(f'[data-field="{name}"] .error')
        assert page.js(f'document.querySelector(\'[name="{name}"]\').ariaInvalid') == 'true'
    assert page.js('document.activeElement.name') == 'item'
    assert page.js('document.querySelector(\'[name="count"]\').value') == 'many'
    assert page.js('document.querySelector(\'[name="tags"]\').value') == '["a", {}]'
    assert client.list() == [run for run in client.list() if run.is_local], 'nothing was started'

    page.fill('[name="item"]', '<i>tea</i>')
    page.fill('[name="count"]', '6')
    page.selectOption('[name="size"]', {'label': 'L'})
    page.check('[name="gift"]')
    page.fill('[name="tags"]', '["a", "b"]')
    page.fill('[name="extra"]', '{"deep": 1}')
    page.click('button:text-is("Start")')
    page.sees('.one .state', 'SUCCESS')
    run = client.get(page.text('.one .name'))
    assert run.output == {
        'item': '<i>tea</i>', 'count': 6, 'size': 'L', 'price': None, 'gift': True, 'tags': ['a', 'b'],
        'extra': {'deep': 1},
    }  # fmt: skip
    assert run.data.keys() == {'item', 'count', 'size', 'gift', 'tags', 'extra'}

    page.click('button:text-is("Start another")')
    page.sees('.start h2', 'order')
    assert page.js('document.querySelector(\'[name="item"]\').value') == '<i>tea</i>'
    page.click('button:text-is("Data as JSON")')
    assert json.loads(page.js("document.querySelector('#data-json').value")) == run.data
    page.fill('#data-json', '{"item": "pot", "count": 2}')
    page.click('button:text-is("Start")')
    page.sees('.one pre', 'pot')


def test_another_run_gets_what_the_first_one_got_and_no_secret_that_was_hidden(site, tab, client):
    data = {'text': 'one\ntwo', 'flag': None, 'deep': None, 'more': '7', 'other': [1]}
    first = client.start('note', data | {'password': 's3cret-word'}).wait(20)
    page = tab(f'/run/{first.id}')
    page.click('button:text-is("Start another")')
    page.sees('.start h2', 'note')
    assert page.js('document.querySelector(\'[name="password"]\').value') == ''
    assert page.js(DOUBLE_IDS) == []
    page.click('button:text-is("Start")')
    page.sees('[data-field="password"] .error', 'enter it again')
    page.fill('[name="password"]', 'an0ther-word')
    page.click('button:text-is("Start")')
    page.sees('.one .state', 'SUCCESS')
    second = client.get(page.text('.one .name'))
    assert second.data == data | {'password': 'an0ther-word'}
    assert second.id != first.id
    page.sees('#link[data-link="live"]')

    page.js("location.hash = '#/start/order'")
    page.sees('.start h2', 'order')
    assert page.js('document.querySelector(\'[name="item"]\').value') == ''


def test_a_form_that_nobody_touches_sends_nothing(site, tab, client):
    page = tab('/start/note')
    page.fill('[name="text"]', 'only this')
    page.click('button:text-is("Start")')
    page.sees('.one .state', 'SUCCESS')
    assert client.get(page.text('.one .name')).data == {'text': 'only this'}


def test_what_may_not_be_started_here_is_not_started_again(site, tab, client):
    hidden = client.start('hidden').wait(20)
    page = tab(f'/run/{hidden.id}')
    page.click('button:text-is("Start another")')
    page.sees('.answer.bad', 'The task hidden cannot be started from this page')


def test_times_that_no_clock_has_break_nothing(site, tab, client, redis):
    run = client.start('order', {'item': 'tea', 'count': 1}).wait(20)
    other = client.start('broken').wait(20)
    redis.hset(f'task-{run.id}', 'ended', '1e300')
    page = tab(f'/run/{run.id}')
    page.sees(ROW.format(other.id), 'EXCEPTION')
    page.sees('.one .state', 'SUCCESS')


def test_the_skip_link_keeps_the_place(site, tab, client):
    run = client.start('broken').wait(20)
    page = tab(f'/run/{run.id}')
    page.sees('.one .state', 'EXCEPTION')
    page.js("document.querySelector('.skip').click(), 0")
    assert page.js('document.activeElement.id') == 'main'
    page.sees('.one .state', 'EXCEPTION')
    page.js("location.hash = '#/nonsense'")
    page.sees('nav a[aria-current="page"]', 'Runs')


def test_runs_are_filtered_by_state_and_words(site, tab, client):
    done = [client.start('order', {'item': f'number-{n}', 'count': n}).wait(20) for n in range(3)]
    broken = client.start('broken', {}).wait(10)
    live = client.start('count', {})
    page = tab()
    ids = lambda: set(page.js("[...document.querySelectorAll('.run')].map((row) => row.dataset.run)"))  # noqa: E731
    everything = {run.id for run in (*done, broken, live)}
    wait_until(lambda: everything <= ids(), 'all runs are listed')
    page.click('.states [data-state="EXCEPTION"]')
    wait_until(lambda: ids() == {broken.id}, 'only what broke')
    assert page.text('.states [data-state="EXCEPTION"] .count') == '1'
    page.click('.states [data-state="all"]')
    page.keyboard_press('/')
    page.keyboard_type('number-1')
    wait_until(lambda: ids() == {done[1].id}, 'only what says number-1')
    assert 'q=number-1' in page.js('location.hash')
    page.reload()
    page.sees('#link', 'live')
    wait_until(lambda: ids() == {done[1].id}, 'the filter stays when the page is loaded anew')
    page.fill('input[type="search"]', 'nobody')
    page.sees('.empty', 'No matching runs')
    page.click('button:text-is("Show all")')
    wait_until(lambda: everything <= ids(), 'all runs again')
    live.stop(wait=10)


def test_the_page_can_be_used_by_keys_alone(site, tab, client):
    runs = [client.start('order', {'item': 'x', 'count': n}).wait(10) for n in range(3)]
    page = tab()
    page.sees(ROW.format(runs[0].id))
    focused = lambda: page.js('document.activeElement.dataset.run')  # noqa: E731
    page.keyboard_press('/')
    assert page.js('document.activeElement.type') == 'search'
    page.keyboard_press('Tab')
    order = page.js("[...document.querySelectorAll('.run')].map((row) => row.dataset.run)")
    assert focused() == order[0]
    page.keyboard_press('ArrowDown')
    assert focused() == order[1]
    page.keyboard_press('End')
    assert focused() == order[-1]
    page.keyboard_press('Home')
    page.keyboard_press('j')
    page.keyboard_press('Enter')
    page.sees('.one .name', order[1])
    assert focused() == order[1], 'the list keeps the focus: one walks on'
    page.keyboard_press('Escape')
    page.sees('.side h2', 'Start a run')
    page.keyboard_press('Tab')
    assert page.js("document.activeElement.closest('.side') !== null"), 'one stop, and on'


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_everything_can_be_read_and_has_a_name(site, tab, client, scheme):
    broken = client.start('broken', {}).wait(10)
    live = client.start('count', {})
    page = tab(colorScheme=scheme)
    ground = page.js('getComputedStyle(document.body).backgroundColor')
    lightness = sum(int(part) for part in ground[4:-1].split(',')) / 3
    assert (lightness > 200) is (scheme == 'light')
    for place in ('/', f'/run/{broken.id}', f'/run/{live.id}', '/start/order', '/schedules', '/flows', '/workers'):
        page.js(f"location.hash = '#{place}'")
        page.waitForSelector('.one h2, .page h2')
        page.until('!document.querySelector("[aria-busy]")')
        assert page.js(FAINT) == [], place
        assert page.js(NAMELESS) == [], place
    live.stop(wait=10)


def test_nothing_is_wider_than_a_narrow_window(site, tab, client):
    run = client.start('order', {'item': 'x' * 300, 'count': 1}).wait(10)
    broken = client.start('broken', {}).wait(10)
    page = tab(viewport={'width': 360, 'height': 700})
    for place in (
        '/',
        f'/run/{run.id}',
        f'/run/{broken.id}',
        '/start',
        '/start/order',
        '/schedules',
        '/flows',
        '/workers',
    ):
        page.js(f"location.hash = '#{place}'")
        page.until('!document.querySelector("[aria-busy]")')
        assert page.js(WIDER) == 0, place
    page.js("location.hash = '#/'")
    page.click(ROW.format(run.id))
    page.sees('.one .state', 'SUCCESS')
    assert not page.isVisible('.runs'), 'a run stands instead of the list'
    page.click('.back')
    page.sees('.runs')


def test_the_page_comes_back_when_the_server_does(site, tab, client):
    page = tab()
    before = client.start('order', {'item': 'before', 'count': 1}).wait(10)
    page.sees(ROW.format(before.id), 'SUCCESS')
    site.stop()
    page.sees('#link[data-link="lost"]', 'reconnecting… last update')
    page.js("location.hash = '#/start/order'")
    page.sees('.gone', 'The server cannot be reached.')
    waiting = client.start('order', {'item': 'meanwhile', 'count': 1})
    site.start()
    page.sees('#link', 'live')
    page.sees('.required', 'required')
    page.sees(ROW.format(waiting.id), 'SUCCESS')


def test_a_refused_page_says_so(site, tab):
    page = tab()
    site.stop()
    page.sees('#link', 'reconnecting')
    site.start(token='another-token-of-the-tests')
    page.sees('#link[data-link="refused"]', 'access denied')


def test_an_empty_page_teaches(site, tab):
    page = tab()
    page.sees('.runs .empty', 'pytask start hello')
    page.js("location.hash = '#/schedules'")
    page.sees('.empty', 'No schedules')
    page.js("location.hash = '#/flows'")
    page.sees('.empty', 'No flows')
    page.js("location.hash = '#/start'")
    page.sees('.tasks')
    assert page.texts('.tasks a') == ['broken', 'count', 'note', 'order'], (
        'tasks that are not exposed are not offered'
    )


# When a schedule fires next; as a text 'in ' would be found in Berlin, too.
SOON = 'tbody :text-matches("^in [0-9]")'


@pytest.mark.parametrize('site', [APP], indirect=True, ids=['mails'])
def test_schedules_are_shown_run_and_paused(tab, client):
    page = tab('/schedules')
    page.sees('tbody tr', 'mail/nightly')
    page.sees('tbody tr', '0 3 * * * Europe/Berlin')
    page.sees(SOON)
    page.sees('tbody tr', 'never')
    page.click('button:text-is("Run now")')
    assert client.list(task='mail/tidy') == [], 'it asks once more'
    page.click('button:text-is("Really run?")')
    page.sees('.answer', 'Run now: run ')
    wait_until(lambda: [run.output for run in client.list(task='mail/tidy')] == ['tidy'], 'it has run')
    page.click('button:text-is("Pause")')
    page.sees('tbody tr', 'paused')
    assert client.schedule('mail/nightly').is_paused
    page.click('button:text-is("Resume")')
    page.sees(SOON)
    assert not client.schedule('mail/nightly').is_paused


@pytest.mark.parametrize('site', [APP], indirect=True, ids=['mails'])
def test_flows_are_shown_with_their_steps_and_passed_by_hand(tab, client):
    steps = [(f'mail/{key}', key.title()) for key in ('fetch', 'sign', 'send')]
    client.routine('nightly', [(name.lower(), task, name) for task, name in steps])
    page = tab('/flows')
    page.sees('[aria-label="Routines"] li', 'Fetch → Sign → Send')
    page.click('button:text-is("Start a flow…")')
    page.fill('.flows textarea', '{"pages": ')
    page.click('.flows form button')
    page.sees('.answer.bad', 'not JSON')
    page.fill('.flows textarea', '{"pages": 5}')
    page.click('.flows form button')
    page.sees('.page h2', 'nightly')
    page.sees('.reason', 'a signature')
    [flow] = client.flows()
    assert [' '.join(text.split()) for text in page.texts('.step')] == [
        '✓SUCCESS Fetch mail/fetch', '◦WAIT Sign mail/sign', 'to come Send mail/send',
    ]  # fmt: skip
    page.sees('.steps pre', '"pages": 5')
    assert page.text('[aria-current="step"] .task') == 'Sign'
    page.click('.back')
    page.sees('.flow', '1 of 3 steps · Sign · a signature')
    page.click('a.flow')
    page.click('button:text-is("Skip this step")')
    page.click('button.armed')
    page.sees('.step', 'skipped by web')
    page.sees('.steps pre.bad', 'Tr: <b>')
    assert (flow.refresh().position, flow.state) == (2, 'EXCEPTION')
    page.click('button:text-is("Retry")')
    page.sees('.answer', 'Retry: done')
    wait_until(lambda: flow.refresh().run.attempt == 3 and flow.state == 'EXCEPTION', 'it has failed again')
    page.click('button:text-is("Skip this step")')
    page.click('button.armed')
    page.sees('.page .now', 'SUCCESS')
    assert flow.refresh().state == 'SUCCESS'


def test_workers_are_shown(site, tab):
    page = tab('/workers')
    page.sees('tbody tr', 'ok')
    assert str(site.process.pid) in page.text('tbody tr')


def test_with_two_thousand_runs_only_what_changed_is_written(site, tab, client, redis):
    from pytask.client.starting import Launch

    client.start_many(Launch('order', {'item': f'number {n}', 'count': n}, None, 'idle') for n in range(2000))
    live = client.start('count', {'pause': 0.2})
    page = tab()
    page.until("document.querySelectorAll('.run').length >= 1900")
    loaded = page.js("performance.getEntriesByType('navigation')[0].domComplete")
    row = json.dumps(ROW.format(live.id))
    page.until(f'document.querySelector({row})?.querySelector("progress").value > 0')
    strangers = page.js(f"""new Promise((resolve) => {{
      const row = document.querySelector({row})
      const found = []
      let own = 0
      const observer = new MutationObserver((records) => {{
        for (const {{ target }} of records) {{
          const node = target.nodeType === 1 ? target : target.parentElement
          if (row.contains(node)) own++
          else if (!node.closest('time')) found.push(node.outerHTML.slice(0, 100))
        }}
      }})
      const all = {{ subtree: true, childList: true, characterData: true, attributes: true }}
      observer.observe(document.querySelector('.runs .list'), all)
      setTimeout(() => resolve(own ? found : ['nothing was written at all']), 1500)
    }})""")
    assert strangers == []
    took = page.js("""(async () => {
      const { model } = await import('/static/model.js')
      const started = performance.now()
      model.tell('runs')
      await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))
      return performance.now() - started
    })()""")
    print(
        f'2,000 runs: page complete {loaded:.0f} ms after the navigation, all looked through again in {took:.0f} ms'
    )
    live.stop(wait=10)


def test_a_hidden_page_lets_go_of_its_stream_and_comes_back(site, tab, client):
    page = tab()
    page.js("""(async () => {
      Object.defineProperty(document, 'hidden', { get: () => window.isHidden, configurable: true })
      const plain = setTimeout
      window.setTimeout = (work, ms, ...more) => plain(work, ms === 60_000 ? 50 : ms, ...more)
      window.isHidden = true
      document.dispatchEvent(new Event('visibilitychange'))
    })()""")
    page.sees('#link', 'suspended')
    run = client.start('order', {'item': 'x', 'count': 1}).wait(10)
    page.js("window.isHidden = false; document.dispatchEvent(new Event('visibilitychange'))")
    page.sees('#link', 'live')
    page.sees(ROW.format(run.id), 'SUCCESS')


def test_pytask_js_runs_a_task_here(site, tab):
    page = tab()
    told = page.js("""(async () => {
      const { run } = await import('/pytask.js')
      const told = []
      const look = ({ status, progress }) => told.push([status, progress])
      const ended = await run('count', { up_to: 40, pause: 0.02 }, look)
      const refused = await run('count', { up_to: 'many' }).catch((error) => error)
      const failed = await run('broken').catch((error) => error)
      return {
        told, ended, refused: [refused.kind, refused.code, refused.errors],
        failed: [failed.kind, failed.status, failed.message],
      }
    })()""")
    assert told['ended']['status'] == 'succeeded'
    assert told['ended']['outputs'] == {'counted': 40}
    assert told['told'][0][0] == 'pending'
    assert any(status == 'running' and progress for status, progress in told['told'])
    assert told['refused'][:2] == ['http', 400]
    assert told['refused'][2][0]['path'] == 'inputs.up_to'
    assert told['failed'][:2] == ['failed', 'failed']
    assert 'onerror' in told['failed'][2]
