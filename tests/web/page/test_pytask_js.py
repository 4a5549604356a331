"""pytask.js by itself, in Node.js: see pytask_js.test.mjs."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from browser import NODE, needs_node_alone
from support import ROOT

STATIC = ROOT / 'pytask/web/static'


@needs_node_alone
@pytest.mark.timeout(120)
def test_pytask_js():
    script = Path(__file__).with_name('pytask_js.test.mjs')
    done = subprocess.run([NODE, '--test', script], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout
    assert int(re.search(r'pass (\d+)', done.stdout)[1]) >= 17
    assert 'skipped 0' in done.stdout


def test_the_page_needs_nothing_from_elsewhere_and_writes_no_html():
    for path in STATIC.iterdir():
        text = path.read_text()
        outside = re.findall(r'(?:https?:)?//[\w.-]+\.\w+', text.replace('http://www.w3.org/2000/svg', ''))
        assert not outside, f'{path.name}: {outside}'
        assert not re.search(r'innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(', text), path.name
    page = (STATIC / 'index.html').read_text()
    assert not re.search(r'<style|\sstyle=|\son\w+=|<script(?![^>]*\bsrc=)', page), 'the CSP would refuse it'


@pytest.mark.parametrize('path', sorted(STATIC.glob('*.js')), ids=lambda path: path.name)
def test_a_module_has_few_lines(path):
    lines = [line for line in path.read_text().splitlines() if line.strip() and not line.lstrip().startswith('//')]
    assert len(lines) <= 300
