"""Pages whose code is executed: the README and docs/*.rst. How their blocks are found, and how shells run them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from typing import NamedTuple

import pytest
from support import ROOT

needs_redis_cli = pytest.mark.skipif(not shutil.which('redis-cli'), reason='no redis-cli on PATH')
NODE_MODULES = ROOT / 'tests/node/node_modules'
needs_node = pytest.mark.skipif(
    not shutil.which('node') or not (NODE_MODULES / 'redis').is_dir(),
    reason='no Node.js with the npm package redis (npm install --prefix tests/node redis)',
)
BLOCK = re.compile(r'^\.\. code:: ([\w-]+)\n\n((?:    .*\n|\n)+)', re.MULTILINE)
# "This is ``tasks/crawl.py``:" says which file a block is.
FILE = re.compile(r'This is ``([\w./-]+)``[^\n]*:\n\n\Z')


class Block(NamedTuple):
    language: str
    text: str
    file: str = ''


class Page:
    """One page. `blocks` are those of a section, or all of them."""

    def __init__(self, name):
        self.text = (ROOT / name).read_text()

    def blocks(self, section=None):
        text = self.text if section is None else self._section(section)
        return [
            Block(
                found[1],
                textwrap.dedent(found[2]).strip('\n') + '\n',
                file[1] if (file := FILE.search(text[: found.start()])) else '',
            )
            for found in BLOCK.finditer(text + '\n')
        ]

    def _section(self, title):
        return self.text[self.text.index(f'\n{title}\n---') :].split('\n\n\n')[0]

    def titles(self):
        return re.findall(r'\n\n\n(.+)\n-{3,}\n', self.text)

    def count(self):
        """Return how many blocks there are, found or not."""
        return len(re.findall(r'^ *\.\. code(?:-block)?::', self.text, re.MULTILINE))


class Shell:
    """Runs the blocks of a page in the folder of some processes, where `pytask` and `redis-cli` mean these."""

    def __init__(self, processes, folder):
        self.processes, self.folder = processes, processes.folder
        scripts = folder / 'path'
        scripts.mkdir()
        for name, words in {
            'pytask': f'{sys.executable} -m pytask "$@"',
            'python': f'{sys.executable} "$@"',
            'flask': f'{sys.executable} -m flask "$@"',
            'redis-cli': f'{shutil.which("redis-cli")} -p {processes.server.port} "$@"',
        }.items():
            script = scripts / name
            script.write_text(f'#!/bin/sh\nexec {words}\n')
            script.chmod(0o755)
        self.environment = processes.environment()
        self._more = {'PATH': f'{scripts}{os.pathsep}{os.environ["PATH"]}', 'NODE_PATH': str(NODE_MODULES)}

    def write(self, blocks):
        """Write the blocks that are files."""
        for block in blocks:
            if block.file:
                (self.folder / block.file).parent.mkdir(exist_ok=True)
                (self.folder / block.file).write_text(block.text)

    def run(self, text, **more):
        """Run a shell block to its end; the first command that fails ends it."""
        return self._run(['sh', '-e', '-c', text], **more)

    def python(self, text, **more):
        """Run a Python block as a program."""
        return self._run([sys.executable, '-c', text], **more)

    def _run(self, words, timeout=60):
        return subprocess.run(
            words, cwd=self.folder, env=self.environment | self._more, capture_output=True, text=True,
            timeout=timeout, check=False,
        )  # fmt: skip
