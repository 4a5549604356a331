"""The README's pictures are there, and the commands that the terminal shows still print what it shows."""

from __future__ import annotations

import html
import re
import shlex
import shutil
import struct

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


def test_the_commands_of_the_terminal_print_what_it_shows(processes):
    picture = shown()
    assert [line[2:] for line in picture if line.startswith('$ ')] == pictures.TYPED
    shutil.copytree(ROOT / 'tasks', processes.folder / 'tasks')
    processes.worker()
    processes.run('start', 'loop', '--id', 'disk', 'path=/', 'every=0.5')
    for command in pictures.TYPED:
        done = processes.run(*shlex.split(command)[1:])
        assert done.returncode == (2 if 'nmae' in command else 0), command + done.stderr
        lines = [' '.join(line.split()) for line in done.stdout.splitlines()]
        if command != 'pytask ls' and 'ask' not in command.split():  # tables and numbers differ each time
            assert set(lines) <= set(picture), command
