"""Chromium for tests: driven by npm's playwright-core through one Node.js process, from Python."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from pages import NODE_MODULES
from support import wait_until

NODE, CHROMIUM = shutil.which('node'), shutil.which('chromium') or shutil.which('google-chrome')
needs_node_alone = pytest.mark.skipif(not NODE, reason='no Node.js (apt install nodejs)')
needs_browser = pytest.mark.skipif(
    not (NODE and CHROMIUM and (NODE_MODULES / 'playwright-core').is_dir()),
    reason='no Chromium that can be driven: apt install chromium nodejs npm; '
    'npm install --no-save --prefix tests/node playwright-core',
)


class Browser:
    """One Chromium. `open` makes a tab, each with cookies of its own."""

    def __init__(self):
        script = Path(__file__).with_name('browser.mjs')
        self.process = subprocess.Popen(
            [NODE, script, NODE_MODULES, CHROMIUM], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def call(self, tab, method, *args):
        self.process.stdin.write(json.dumps({'tab': tab, 'method': method, 'args': args}) + '\n')
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert 'error' not in answer, f'{method}{args!r}: {answer["error"]}'
        return answer.get('value')

    def open(self, url, **options):
        tab = Tab(self, self.call(None, 'open', options))
        tab.goto(url)
        if '/login?' in url:
            tab.waitForURL('**/')  # it goes on by itself
        return tab

    def close(self):
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()


class Tab:
    """A page. Other names are methods of Playwright's Page: `tab.fill('#name', 'x')`, `tab.emulateMedia({…})`."""

    def __init__(self, browser, number):
        self._browser, self._number = browser, number

    def __getattr__(self, name):
        return lambda *args: self._browser.call(self._number, name.replace('_', '.'), *args)

    def js(self, expression, *args):
        """Return what an expression is worth; a promise is awaited."""
        return self.evaluate(expression, *args)

    def until(self, expression):
        """Wait until an expression is true. Asked again and again from here: the page's CSP refuses `eval`."""
        wait_until(lambda: self.js(expression), expression, 20)

    def sees(self, selector, text=''):
        """Wait until an element is to be seen, with this text in it."""
        self.waitForSelector(f'{selector}:has-text({json.dumps(text, ensure_ascii=False)})' if text else selector)

    def text(self, selector):
        return self.innerText(selector)

    def texts(self, selector):
        return self.js(f'[...document.querySelectorAll({json.dumps(selector)})].map((node) => node.innerText)')
