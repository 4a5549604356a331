"""The README's pictures are there, and the commands that the terminal shows still print what it shows."""

from __future__ import annotations

import html
import json
import re
import struct
import subprocess
import sys

import pictures
import pytest
from support import ROOT

PAGE, TERMINAL = pictures.FOLDER / 'page.png', pictures.FOLDER / 'terminal.svg'
LARGEST_BYTES = 200_000


def shown():
    """Return the lines of the terminal as text: each word of one style is an element of its own."""
    lines = {}
    for x, y, text in re.findall(r'<text[^>]* x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]*)</text>', TERMINAL.read_text()):
        lines.setdefault(float(y), []).append((float(x), html.unescape(text).replace('\xa0', ' ')))
    return [' '.join(' '.join(text for _, text in sorted(lines[y])).split()) for y in sorted(lines)]


def usual(line):
    """Leave out what differs each time: ids and numbers."""
    return ' '.join(re.sub(r'\b1[a-z0-9]{15}\b|\d[\d.]*', '', line).split())


@pytest.mark.parametrize('path', [PAGE, TERMINAL], ids=lambda path: path.name)
def test_the_readme_shows_each_picture(path):
    assert 5_000 < path.stat().st_size < LARGEST_BYTES
    found = re.search(
        rf'^\.\. image:: {path.relative_to(ROOT)}\n   :alt: .{{20,}}$', (ROOT / 'README.rst').read_text(), re.M
    )
    assert found, 'with a text for those who can not see it'


def test_the_page_is_wide_enough_to_be_read():
    width, height = struct.unpack('>II', PAGE.read_bytes()[16:24])
    assert width >= 1200
    assert width > 1.5 * height


def test_the_terminal_loads_nothing_from_elsewhere():
    text = TERMINAL.read_text()
    assert not re.search(r'url\(["\']?http|href=["\']http|@import|@font-face', text)


@pytest.mark.timeout(120)
def test_the_commands_of_the_terminal_print_what_it_shows():
    done = subprocess.run(
        [sys.executable, pictures.__file__, '--json'], capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    typed = json.loads(done.stdout)
    picture = shown()
    assert [line[2:] for line in picture if line.startswith('$ ')] == [command for command, _, _ in typed]
    for command, code, lines in typed:
        assert code == (2 if 'nmae' in command else 0), command
        if command == 'pytask ls':  # how far each run is differs, and the id of the one that was just run
            printed, expected = [line.split()[:2] for line in lines], [line.split()[:2] for line in picture]
            printed = [words for words in printed if words[1] != 'hello-world' or len(words[0]) < 16]
        else:
            printed, expected = map(usual, lines), [usual(line) for line in picture]
        assert [line for line in printed if line not in expected] == [], 'run bin/pictures, and look at both'
