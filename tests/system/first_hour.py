"""The first hour of a new user: what is typed in an empty folder, and what two terminals show then.

    python tests/system/first_hour.py            build, install, play it, and compare with first_hour.txt
    python tests/system/first_hour.py --write    the same, and approve what was shown: read the diff
    python tests/system/first_hour.py --here     with the `pytask` on PATH, in this folder, which is empty

Commands are at a terminal of 80 columns, as a person is; of a line that changes what stands there in the end is
compared. What differs from day to day and from machine to machine has a placeholder. Needs Python alone.
"""

from __future__ import annotations

import difflib
import fcntl
import os
import pty
import re
import resource
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
APPROVED = Path(__file__).with_suffix('.txt')
LIMIT_S = 60.0
COLUMNS, LINES = 80, 24
# Below this `doctor` has something to say, and it is not about pytask.
OPEN_FILES = 4096
WIPED = re.compile(r'.*\r\x1b\[2K')
DURATION = r'(?<![\w.:-])\d+(?:\.\d\d)?(?=s\b)'
COUNT = '''\
from pytask import Task


class Count(Task):
    """Count, ten numbers a second."""

    def __init__(self, up_to: int = 10):
        self.up_to = up_to

    def start(self):
        for n in range(self.up_to):
            self.progress(n + 1, target=self.up_to)
            self.sleep(0.1)
        return self.upto
'''
GREETER = '''\
from pytask import Task


class Greeter(Task):
    """Greet until told to stop."""

    def __init__(self, name: str = 'world'):
        self.name = name

    def start(self):
        for n in self.every(3600):
            self.progress(n + 1)
            self.message(f'hello {self.name}')

    def on_rename(self, name: str):
        self.name = name

    def on_name(self):
        return self.name
'''


def play(hour):
    """Do what a new user does."""
    hour('pytask init')
    hour.begin('pytask dev', until='hello world')
    hour('pytask tasks')
    hour('pytask run hello-world name=you', until='hello you')
    hour.note('A task of our own, with a slip in its last line.')
    hour.save('tasks/count.py', COUNT, until='3 tasks')
    hour('pytask run count up_to=three')
    hour('pytask run count up_to=3', until="\nAttributeError: 'Count'")
    hour.note('The slip is mended.')
    hour.save('tasks/count.py', COUNT.replace('self.upto', 'self.up_to'), until='3 tasks')
    hour('pytask run count up_to=3', until='SUCCESS')
    hour.note('A task that stays, and can be talked to.')
    hour.save('tasks/greeter.py', GREETER, until='4 tasks')
    hour('pytask start greeter --id mine', until='hello world')
    hour('pytask ls')
    hour('pytask show mine')
    hour('pytask send mine rename name=Ada')
    hour('pytask ask mine name')
    hour('pytask reload mine name=Grace', until='hello Grace')
    hour('pytask stop mine --wait 20', until='STOPPED')
    hour('pytask show mine')
    hour.note('Is all well? Then to a server.')
    hour('pytask doctor')
    hour('pytask init systemd')
    hour.verify('systemd-analyze verify ./pytask.service')
    hour.end(until='stopped')


class Terminal:
    """One command at a terminal of its own; a thread reads what it shows."""

    def __init__(self, command, folder, environment):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', LINES, COLUMNS, 0, 0))
        self._read, self._seen = b'', 0
        self.process = subprocess.Popen(
            command.split(), cwd=folder, env=environment, stdin=slave, stdout=slave, stderr=slave,
            preexec_fn=_take_terminal,  # noqa: PLW1509 - it calls the system, and takes no lock
        )  # fmt: skip
        os.close(slave)
        self._reader = threading.Thread(target=self._keep_reading, daemon=True)
        self._reader.start()

    def _keep_reading(self):
        # Not before all is read the end of the process counts: on some systems that read fails at once.
        while True:
            try:
                if not select.select([self.master], [], [], 0.05)[0]:
                    continue
                data = os.read(self.master, 65536)
            except (OSError, ValueError):
                return
            if not data:
                return
            self._read += data

    @property
    def text(self):
        """All that stands there."""
        text = self._read.decode(errors='replace').replace('\r\n', '\n')
        return '\n'.join(WIPED.sub('', line) for line in text.split('\n'))

    def new(self, until):
        """Wait for some new text and the end of its line; return all lines that are new."""
        limit = time.monotonic() + LIMIT_S
        while True:
            new = self.text[self._seen :]
            at = new.find(until)
            if at >= 0 and '\n' in new[at + 1 :]:
                break
            if time.monotonic() > limit or (self.process.poll() is not None and not self._reader.is_alive()):
                raise AssertionError(f'not shown: {until!r}\n{self.text}')
            time.sleep(0.01)
        self._seen += len(new)
        return new

    def wait(self):
        """Wait for its end; return its exit code."""
        code = self.process.wait(LIMIT_S)
        self._reader.join(LIMIT_S)
        return code

    def close(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self._reader.join(5)
        os.close(self.master)


def _take_terminal():
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < OPEN_FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, hard))


class Hour:
    """Two terminals in a folder; `transcript` is what they have shown."""

    def __init__(self, folder, path):
        self.folder = Path(folder).resolve()
        plain = {key: value for key, value in os.environ.items() if not key.startswith(('PYTASK_', 'PYTHON'))}
        self._environment = plain | {
            'PATH': path, 'TERM': 'xterm', 'NO_COLOR': '1', 'PYTHONUTF8': '1', 'LC_ALL': 'C.UTF-8',
        }  # fmt: skip
        for name in ('COLUMNS', 'LINES', 'FORCE_COLOR'):
            self._environment.pop(name, None)
        self._dev = None
        self.lines: list[str] = []

    def __call__(self, command, until=None):
        """Run a command to its end; then wait for what `dev` is to show of it."""
        self.lines += ['', f'$ {command}']
        terminal = Terminal(command, self.folder, self._environment)
        try:
            code = terminal.wait()
            self._show(terminal.text)
        finally:
            terminal.close()
        if code:
            self.lines.append(f'[exit code {code}]')
        if until is not None:
            self._show_dev(until)

    def begin(self, command, until):
        self.lines += ['', f'$ {command}      # in another terminal']
        self._dev = Terminal(command, self.folder, self._environment)
        self._show_dev(until)

    def note(self, text):
        self.lines += ['', '', f'# {text}']

    def save(self, name, text, until):
        path = self.folder / name
        path.with_suffix('.new').write_text(text)  # an editor replaces a file, too
        path.with_suffix('.new').replace(path)
        self.lines += ['', f'# {name} is saved.']
        self._show_dev(until)

    def verify(self, command):
        """Run what only some machines have; it looks at other units too, and what it says of them is left out."""
        self.lines += ['', f'$ {command}']
        if not shutil.which(command.split()[0]):
            print(f'left out: {command}', file=sys.stderr)
            return
        done = subprocess.run(command.split(), cwd=self.folder, capture_output=True, text=True, check=False)
        self._show('\n'.join(line for line in (done.stdout + done.stderr).splitlines() if 'pytask' in line))

    def end(self, until):
        """Press Ctrl-C where `dev` runs."""
        self.lines += ['', '# Ctrl-C, in the other terminal.']
        os.write(self._dev.master, b'\x03')
        code = self._dev.wait()
        self._show_dev(until)
        if code:
            self.lines.append(f'[exit code {code}]')

    def close(self):
        if self._dev is not None:
            self._dev.close()

    def _show(self, text):
        self.lines += text.rstrip('\n').split('\n') if text.strip() else []

    def _show_dev(self, until):
        shown = self._dev.new(until)
        self.lines += [f'    dev | {line}'.rstrip() for line in shown.rstrip('\n').split('\n')]

    @property
    def transcript(self):
        return normal('\n'.join(self.lines).strip('\n') + '\n', str(self.folder))


def normal(text, folder):
    """Return a transcript with placeholders for what differs each time, as wide as that where columns matter."""
    host = re.escape(socket.gethostname().partition('.')[0])
    for pattern, placeholder in (
        (rf"'{re.escape(folder)}([\w./-]*)'", r'/FOLDER\1'),  # as a shell needs it
        (re.escape(folder), '/FOLDER'),
        (r'(?<=127\.0\.0\.1:)\d+', 'PORT'),
        (r'(?<=login\?token=)[\w-]+( +\d+ is taken)?', 'TOKEN'),
        (r'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d', 'YYYY-MM-DD HH:MM:SS'),
        (r'\d\d:\d\d:\d\d', 'HH:MM:SS'),
        (DURATION, '0.00'),
        (r'[\d.]+ ms\b', '0 ms'),
        (r'[\d,]+(?= open files)', 'N'),
        (r'(?:redis|valkey)-server', 'redis-server'),
        (r'(?<=✓ redis        )\w+ (?=[\d.]+ at)', 'Redis '),
        (r'\b((?:pytask|Python|gevent|redis|Redis|msgspec|click) +)\d+\.[\w.]+', r'\1VERSION'),
        (r'\. Did you mean: .*\?', ''),  # as newer Pythons say
    ):
        text = re.sub(pattern, placeholder, text)
    for pattern, name in ((r'\b1[0-9a-z]{15}\b', 'RUN'), (rf'\b{host}-[0-9a-f]{{4}}\b', 'WORKER')):
        text = _numbered(text, pattern, name)
    return '\n'.join(line.rstrip() for line in text.split('\n'))


def _numbered(text, pattern, name):
    # The same one has the same number: who is who is compared, too.
    found = list(dict.fromkeys(re.findall(pattern, text)))
    return re.sub(pattern, lambda one: f'{name}-{found.index(one[0]) + 1}'.ljust(len(one[0])), text)


def compared(shown, approved):
    """Return a diff; '' where they agree."""
    if not shutil.which('systemd-analyze'):
        approved = re.sub(r'(\$ systemd-analyze .*\n)(?:.+\n)*', r'\1', approved)
    before, after = approved.splitlines(keepends=True), shown.splitlines(keepends=True)
    return ''.join(difflib.unified_diff(before, after, 'approved', 'shown'))


def played(folder, path):
    """Play it in an empty folder, with the `pytask` on that PATH; return the transcript."""
    hour = Hour(folder, path)
    try:
        play(hour)
    finally:
        hour.close()
    return hour.transcript


def install(folder):
    """Build the wheel of this tree, and install it in an environment of its own; return its PATH."""
    wheels, scripts = folder / 'wheel', folder / 'venv' / 'bin'
    subprocess.run(
        [sys.executable, '-m', 'hatchling', 'build', '-t', 'wheel', '-d', wheels], cwd=ROOT, check=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    venv.create(scripts.parent, with_pip=True)
    [wheel] = wheels.glob('*.whl')
    subprocess.run(
        [scripts / 'python', '-m', 'pip', 'install', '-q', '--disable-pip-version-check', f'{wheel}[embedded]'],
        check=True, capture_output=True,
    )  # fmt: skip
    return f'{scripts}{os.pathsep}{os.environ["PATH"]}'


def main(words):
    if '--here' in words:
        if list(Path().iterdir()):
            sys.exit('first_hour.py --here: not in an empty folder')
        shown = played(Path(), os.environ['PATH'])
    else:
        with tempfile.TemporaryDirectory(prefix='first hour ') as temporary:
            empty = Path(temporary) / 'empty'
            empty.mkdir()
            shown = played(empty, install(Path(temporary)))
    approved = APPROVED.read_text(encoding='utf-8') if APPROVED.exists() else ''
    diff = compared(shown, approved)
    print(diff or f'as approved: {len(shown.splitlines())} lines')
    if '--write' in words:
        APPROVED.write_text(shown, encoding='utf-8')
        return 0
    return int(bool(diff))


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
