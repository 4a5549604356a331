"""Makes the two pictures of the README: a real worker, real runs of the gallery, real commands.

`page.png` is the web page in Chromium; `terminal.svg` is what the commands in TYPED print on a terminal.
`bin/pictures` runs this; with `--json` it types the commands for the test, and draws nothing. The SVG names
fonts that every machine has: nothing is loaded from elsewhere.
"""

from __future__ import annotations

import http.server
import json
import re
import shutil
import sys
import tempfile
import threading
from pathlib import Path

import stage as stages
from stage import ROOT, Stage
from support import wait_until

sys.path.insert(0, str(ROOT / 'tests/web/page'))

FOLDER = ROOT / 'docs/pictures'
COLUMNS = 100
PAGES = 240
# What is at work when the pictures are taken: each is started with an id, so both pictures show the same runs.
BACKGROUND = [
    'start http/check --id shop urls:=\'["{site}", "{site}/17"]\' every=1',
    'start loop --id disk path=/ every=0.5',
    'start files/tail --id log path=access.log',
    'start loop --id probe --timeout 1 every=0.2',
    'start text/count --id words path=README.rst top=3',
    'start text/count --id lost path=missing.txt',
    'start loop --id old every=5',
    'start hello-world --id tomorrow name=Grace --in 86400',
    'start hello-world --id greet name=Ada',
    'pause log',
    'stop old --wait 10',
    'start web/crawl --id docs url={site} pages=200 delay=0.12',
]
TYPED = [
    'pytask run hello-world name=you',
    'pytask ls',
    'pytask ask disk status',
    'pytask reload disk every=60',
    'pytask stop disk --wait 10',
    'pytask run hello-world nmae=you',
]


class Site(http.server.BaseHTTPRequestHandler):
    """Pages that link to the next ones; every 17th is missing."""

    def do_GET(self):
        number = int(self.path.strip('/') or 0) if self.path.strip('/').isdecimal() else 0
        links = ''.join(f'<a href="/{n}">{n}</a>' for n in range(number + 1, min(number + 40, PAGES)))
        missing = self.path == '/robots.txt' or number % 17 == 16
        self.send_response(404 if missing else 200)
        self.send_header('Content-Type', 'text/html')
        self.send_header('Content-Length', str(len(links)))
        self.end_headers()
        self.wfile.write(links.encode())

    def log_message(self, *_):
        pass


def play(stage, site):
    """Start `pytask dev` and the runs; return the URL of the page."""
    shutil.copytree(ROOT / 'tasks', stage.folder / 'tasks', ignore=shutil.ignore_patterns('__pycache__'))
    shutil.copy(ROOT / 'README.rst', stage.folder)
    stage.file('access.log')
    dev = stage.begin('pytask dev --no-demo', quietly=True).until('Ctrl-C')
    for words in BACKGROUND:
        stage.quietly('pytask ' + words.format(site=site))
    wait_until(lambda: 'EXCEPTION' in stage.quietly('pytask show probe'), 'the probe has run too long', 20)
    return re.search(r'http://\S+/login\S+', dev.text())[0]


def draw_page(url):
    from browser import Browser

    browser = Browser()
    tab = browser.open(url, viewport={'width': 1200, 'height': 606}, deviceScaleFactor=1.25, colorScheme='light')
    tab.goto(f'{url.partition("login?")[0]}#/run/docs')
    tab.sees('[data-run="docs"]')
    tab.waitForTimeout(2500)
    tab.screenshot({'path': str(FOLDER / 'page.png')})
    browser.close()


def type_all(stage):
    """Type the commands; return [command, exit code, the lines that it leaves on the terminal]."""
    typed = []
    for command in TYPED:
        screen = stage.begin(command, quietly=True)
        code = screen.wait()
        left = re.sub(r'[^\n]*\r(\x1b\[2K)?', '', screen.text()).splitlines()
        typed.append((command, code, [line for line in left if line.strip()]))
    return typed


def draw_terminal(typed):
    from rich.console import Console
    from rich.text import Text

    with Path('/dev/null').open('w') as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True, legacy_windows=False)
        for command, _, lines in typed:
            console.print(Text.from_ansi('\n'.join([f'\x1b[1;32m$\x1b[0m \x1b[1m{command}\x1b[0m', *lines])))
        fonts = re.compile(r'@font-face \{\{.*?\}\}\n', re.DOTALL)
        template = fonts.sub('', Console.save_svg.__kwdefaults__['code_format'])
        template = template.replace('Fira Code', 'DejaVu Sans Mono, Menlo, Consolas')
        console.save_svg(str(FOLDER / 'terminal.svg'), title='pytask', code_format=template)


def main():
    stages.WIDTH, stages.HEIGHT = COLUMNS, 40
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as path:
        stages.write_commands(Path(path))
        stage = Stage(Path(folder), Path(path))
        is_text = sys.argv[1:] == ['--json']
        stage.environment['NO_COLOR'] = '1' if is_text else ''
        try:
            url = play(stage, f'http://localhost:{server.server_port}')
            if is_text:
                return print(json.dumps(type_all(stage)))
            FOLDER.mkdir(exist_ok=True)
            draw_page(url)
            draw_terminal(type_all(stage))
        finally:
            stage.close()
    return print(*sorted(FOLDER.iterdir()), sep='\n')


if __name__ == '__main__':
    main()
