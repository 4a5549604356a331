"""docs/page.rst: its code runs in Chromium, against a worker that has its task."""

from __future__ import annotations

import json
import re

import pytest
from browser import needs_browser
from pages import Page
from sites import Site

pytestmark = [needs_browser, pytest.mark.timeout(120), pytest.mark.one_server]
IMPORT = re.compile(r"^import (\{.*\}) from ('.*')$", re.MULTILINE)


def test_the_code_of_the_page_runs(chromium, processes):
    task, *blocks = Page('docs/page.rst').blocks()
    assert task.file == 'tasks/count.py'
    site = Site(processes, task.text)
    page = chromium.open(site.login)
    page.js("document.body.prepend(document.createElement('progress'))")
    told = []
    for block in blocks:
        # A module can not be made from text here, so its imports are made when they are due.
        code = IMPORT.sub(r'const \1 = await import(\2)', block.text)
        told.append(
            page.js(f"""(async () => {{
          const told = []
          const console = {{ log: (...words) => told.push(words), error: (error) => {{ throw error }} }}
          {code}
          return told
        }})()""")
        )
    assert told[0] == [[40]]
    assert page.js("document.querySelector('body > progress').value") == 40
    assert told[1] == [[True, 'http', 400], ['inputs.up_to', "expected int, got str ('many')"]]
    assert ['succeeded'] in told[2]
    assert told[3] == [['succeeded']], json.dumps(told[3])
    page.close()


def test_the_options_that_are_told_are_those_there_are(chromium, processes):
    page = chromium.open(Site(processes).login)
    rows = re.findall(r'^``(\w+)`` +(.*?)  ', Page('docs/page.rst').text.partition('\nOptions\n')[2], re.MULTILINE)
    options = page.js(
        "import('/pytask.js').then(({ options }) => Object.entries(options)"
        '.map(([name, value]) => [name, value ?? null]))'
    )
    assert [name for name, _ in rows] == [name for name, _ in options]
    given = {name: value.strip('`') for name, value in rows if name != 'eventsURL'}
    assert given == {name: str(value) for name, value in options if name != 'eventsURL'}
    page.close()
