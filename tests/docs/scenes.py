"""Plays the scenes of docs/troubleshooting.rst: each makes a failure happen and records the output.

`python tests/docs/scenes.py --write [NAME]...` updates the transcripts on the page; with `--json` they are
printed for the test, and without either for a reader. On the page, each is below a comment with its name.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from stage import ROOT, Failed, Skipped, Stage, write_commands
from support import wait_until

PAGE = ROOT / 'docs/troubleshooting.rst'
PLACE = re.compile(r'^(\.\. scene: ([\w-]+)\n\n\.\. code:: text\n\n)((?:    .*\n|\n(?=    ))+)', re.MULTILINE)
AT_ONCE = 4

HELLO = """\
from pytask import task

@task
def hello(name: str = 'world') -> str:
    return f'hello {name}'
"""
HOLD = """\
from pytask import Task

class Hold(Task):
    def start(self):
        self.stopping.wait()
"""
SLOW_IMPORT = "import time\n\nprint('importing')\ntime.sleep(30)\n"
# The reason differs with whether a command was in progress.
HOW_IT_WENT = (r'(?<=/0 \()[^)]*(?=\))', 'connection refused')
SCENES: dict = {}


def scene(function):
    SCENES[function.__name__.replace('_', '-')] = function
    return function


# Typos.


@scene
def wrong_command(stage):
    stage.type('pytask wrokers')


@scene
def wrong_option(stage):
    stage.type('pytask run hello --tiemout 5')


@scene
def wrong_task(stage):
    stage.file('tasks/hello.py', HELLO)
    stage.redis()
    stage.worker()
    stage.begin('pytask run helo').until('waits').ctrl_c().until('continues').end()


@scene
def wrong_argument(stage):
    stage.file('tasks/hello.py', HELLO)
    stage.type('pytask run hello nmae=you')


@scene
def wrong_setting(stage):
    stage.shown('pyproject.toml', '[tool.pytask]\nconcurency = 50\n')
    stage.type('pytask worker')


@scene
def wrong_variable(stage):
    stage.type('PYTASK_CONCURENCY=50 pytask worker')


@scene
def wrong_value(stage):
    stage.type('PYTASK_LEASE=soon pytask worker')


@scene
def wrong_state(stage):
    stage.type('pytask ls --state runing')


@scene
def wrong_queue(stage):
    stage.file('tasks/hello.py', HELLO)
    stage.redis()
    stage.worker()
    stage.begin('pytask run hello --queue mial').until('waits').ctrl_c().until('continues').end()


@scene
def bad_queue(stage):
    stage.file('tasks/hello.py', HELLO)
    stage.redis()
    stage.type('pytask start hello --queue "my queue"')


@scene
def wrong_app(stage):
    stage.file('web.py', 'from pytask import PyTask\n\napp = PyTask()\n')
    stage.type('pytask -A wbe:app worker')


# Data.


@scene
def bad_json(stage):
    stage.file('tasks/hello.py', HELLO)
    stage.type("pytask run hello 'name:={first: 1}'")


@scene
def bad_data(stage):
    stage.file('tasks/hello.py', HELLO)
    stage.type("""pytask run hello --data '["you"]'""")


@scene
def no_data_file(stage):
    stage.file('tasks/hello.py', HELLO)
    stage.type('pytask run hello --data @inputs.json')


@scene
def no_equals(stage):
    stage.file('tasks/hello.py', HELLO)
    stage.type('pytask run hello you')


# Files.


@scene
def no_tasks(stage):
    stage.type('pytask worker')


@scene
def no_tasks_for_dev(stage):
    stage.type('pytask dev < /dev/null')


@scene
def bad_toml(stage):
    stage.shown('pytask.toml', 'lease = 30\nqueue = [default]\n')
    stage.type('pytask ls')


@scene
def syntax_error(stage):
    stage.file('tasks/hello.py', HELLO.replace("{name}'", "{name}'.strip("))
    stage.type('pytask worker')


@scene
def import_error(stage):
    stage.file('tasks/hello.py', 'import reqeusts\n' + HELLO)
    stage.type('pytask worker')


@scene
def two_of_one_name(stage):
    stage.file('tasks/hello.py', HELLO)
    stage.file('tasks/other.py', HELLO)
    stage.type('pytask worker')


@scene
def unreadable_task(stage):
    stage.file('tasks/hello.py', HELLO).chmod(0)
    stage.type('pytask worker', real=f'{stage.without_rights()}pytask worker')


@scene
def no_rights_for_init(stage):
    stage.folder.chmod(0o555)
    stage.type('pytask init', real=f'{stage.without_rights()}pytask init')


@scene
def file_for_a_folder(stage):
    stage.file('tasks')
    stage.type('pytask init')


@scene
def no_rights_for_redis(stage):
    stage.folder.chmod(0o555)
    stage.type('pytask redis start', real=f'{stage.without_rights()}pytask redis start')


@scene
def no_space(stage):
    if not Path('/dev/full').exists():
        raise Skipped('this machine has no /dev/full')
    stage.file('tasks/hello.py', HELLO)
    stage.type('pytask tasks > tasks.txt', real='pytask tasks > /dev/full')


@scene
def no_space_for_init(stage):
    """On a file system without a free inode."""
    disk = stage.folder / 'tasks'
    disk.mkdir()
    mounted = subprocess.run(
        ['mount', '-t', 'tmpfs', '-o', 'size=4k,nr_inodes=1', 'tmpfs', disk], capture_output=True, check=False
    )
    if mounted.returncode:
        raise Skipped('mount is not allowed')
    try:
        stage.type('pytask init')
    finally:
        subprocess.run(['umount', disk], check=True)


# Redis.


@scene
def redis_down_worker(stage):
    stage.file('tasks/hello.py', HELLO)
    stage.uses(stage.free_port('6379'))
    stage.type('pytask worker')


@scene
def redis_down_client(stage):
    stage.uses(stage.free_port('6379'))
    stage.type('pytask ls')


@scene
def redis_down_watch(stage):
    server = stage.redis()
    stage.hidden.append(HOW_IT_WENT)
    screen = stage.begin('pytask ls --watch').until('0 WAIT')
    server.kill()
    screen.until(' old')
    screen.shot()
    screen.ctrl_c().wait()


@scene
def redis_down_run(stage):
    stage.file('tasks/hold.py', HOLD)
    server = stage.redis()
    stage.worker()
    stage.hidden.append(HOW_IT_WENT)
    screen = stage.begin('pytask run hold').until('RUNNING')
    server.kill()
    screen.end()


@scene
def wrong_password(stage):
    server = stage.redis()
    with server.client() as client:
        client.config_set('requirepass', 'sesame')
    stage.uses(server.port, ':guess@')
    stage.type('pytask ls')


@scene
def no_password(stage):
    with stage.redis().client() as client:
        client.config_set('requirepass', 'sesame')
    stage.type('pytask ls')


@scene
def redis_full(stage):
    stage.file('tasks/hello.py', HELLO)
    with stage.redis().client() as client:
        client.config_set('maxmemory', 1)
    stage.type('pytask run hello')


@scene
def wrong_url(stage):
    stage.type('pytask ls --redis localhost:6379')


@scene
def no_server(stage):
    stage.type('pytask redis start', real='PYTASK_REDIS_SERVER=/opt/redis/redis-server pytask redis start')


# Ports.


def taken(stage, shown):
    """Return a port that is in use."""
    held = socket.create_server(('127.0.0.1', 0))
    stage.held = held
    stage.hides_port(held.getsockname()[1], shown)
    return held.getsockname()[1]


@scene
def health_port_taken(stage):
    stage.file('tasks/hello.py', HELLO)
    stage.redis()
    port = taken(stage, '8080')
    stage.type('pytask worker --health 127.0.0.1:8080', real=f'pytask worker --health 127.0.0.1:{port}')


@scene
def relay_port_taken(stage):
    stage.redis()
    stage.quietly('pytask init gallery tcp/relay')
    stage.worker()
    words = 'pytask run tcp/relay target=127.0.0.1:5432 port={}'
    stage.type(words.format(8000), real=words.format(taken(stage, '8000')))


@scene
def embedded_port_taken(stage):
    server = stage.redis()
    del stage.environment['PYTASK_REDIS']
    left = {'pid': os.getpid(), 'port': server.port, 'url': server.url, 'binary': 'redis-server', 'owner': 0}
    stage.file('.pytask/redis/server.json', json.dumps(left))
    stage.type('pytask redis stop')


# Workers.


@scene
def two_of_one_worker(stage):
    stage.file('tasks/hello.py', HELLO)
    stage.redis()
    stage.worker('--name web')
    stage.worker('--name web')
    ids = sorted(stage.quietly('pytask workers | cut -f1').split())
    stage.hidden += zip(ids, ('web-1c29', 'web-8e05'), strict=True)
    stage.type('pytask workers | cut -f1,5,6 | sort')


@scene
def other_lease(stage):
    stage.file('tasks/hello.py', HELLO)
    stage.redis()
    stage.worker()
    stage.type('pytask worker --lease 60')


@scene
def other_project(stage):
    stage.file('tasks/hello.py', HELLO)
    stage.file('../site/pytask-0.5.5.dist-info/METADATA', 'Metadata-Version: 2.1\nName: pytask\nVersion: 0.5.5\n')
    stage.type('pytask worker', PYTHONPATH=f'{ROOT}:{stage.folder.parent}/site')


# Runs.


@scene
def unknown_id(stage):
    stage.redis()
    stage.type('pytask show 1m7zx5')


@scene
def ambiguous_id(stage):
    stage.redis()
    for name in ('mail-1', 'mail-2'):
        stage.quietly(f'pytask start mail --id {name}')
    stage.type('pytask stop mail')


@scene
def stop_what(stage):
    stage.redis()
    stage.type('pytask stop')


@scene
def stop_many(stage):
    stage.redis()
    for name in ('mail-1', 'mail-2'):
        stage.quietly(f'pytask start mail --id {name}')
    stage.type('pytask stop --task mail | tee stopped.txt')


# Ctrl-C.


@scene
def ctrl_c_import(stage):
    stage.shown('tasks/slow.py', SLOW_IMPORT)
    stage.redis()
    stage.begin('pytask run hello').until('importing').ctrl_c().end()


@scene
def ctrl_c_before(stage):
    stage.file('tasks/hello.py', HELLO)
    with Late(stage.redis().port) as redis:
        stage.uses(redis.port)
        screen = stage.begin('pytask run hello')
        redis.connected.acquire(timeout=20)
        redis.answers.set()
        screen.ctrl_c().end()


@scene
def ctrl_c_run(stage):
    stage.file('tasks/hold.py', HOLD)
    stage.redis()
    stage.worker()
    stage.begin('pytask run hold').until('RUNNING').ctrl_c().until('continues').end()


@scene
def ctrl_c_twice(stage):
    stage.file('tasks/hold.py', HOLD)
    stage.redis()
    stage.worker()
    stage.begin('pytask run hold').until('RUNNING').ctrl_c().until('Ctrl-C within 2 s').ctrl_c().end()


@scene
def ctrl_c_wait(stage):
    stage.redis()
    stage.quietly('pytask start mail --id mail-1')
    stage.begin('pytask wait mail-1').until('waits').ctrl_c().end()


@scene
def ctrl_c_dev(stage):
    stage.shown('tasks/slow.py', SLOW_IMPORT)
    stage.begin('pytask dev').until('importing').ctrl_c().end()


@scene
def ctrl_c_worker(stage):
    stage.file('tasks/hold.py', HOLD.replace('self.stopping.wait()', 'self.sleep(3600)'))
    stage.redis()
    screen = stage.begin('pytask worker').until('queues')
    stage.quietly('pytask start hold --id mail-1')
    wait_until(lambda: 'RUNNING' in stage.quietly('pytask ls --state RUNNING'), 'it runs', 30)
    screen.ctrl_c().until('still running').ctrl_c().end()


class Late:
    """A Redis behind another port, which ignores connections made before `answers` is set."""

    def __init__(self, port):
        self.connected, self.answers = threading.Semaphore(0), threading.Event()
        self._behind, self._front, self._open = port, socket.create_server(('127.0.0.1', 0)), []
        self.port = self._front.getsockname()[1]

    def _serve(self):
        with contextlib.suppress(OSError):  # it was closed
            while True:
                self._open.append(self._front.accept()[0])
                if self.answers.is_set():
                    self._open.append(socket.create_connection(('127.0.0.1', self._behind)))
                    for pair in (self._open[-2:], self._open[:-3:-1]):
                        threading.Thread(target=self._pass_on, args=pair, daemon=True).start()
                self.connected.release()

    @staticmethod
    def _pass_on(come, go):
        with contextlib.suppress(OSError):
            while got := come.recv(65536):
                go.sendall(got)
            go.shutdown(socket.SHUT_WR)

    def __enter__(self):
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        for end in (self._front, *self._open):
            end.close()


# Pipes.


@scene
def closed_pipe(stage):
    stage.redis()
    for name in ('mail-1', 'mail-2'):
        stage.quietly(f'pytask start mail --id {name}')
    stage.type('pytask ls | head -1')


@scene
def closed_pipe_tail(stage):
    stage.file('tasks/hello.py', HELLO)
    stage.redis()
    stage.worker()
    screen = stage.begin('pytask tail --event success | head -1').until('events of all runs')
    for _ in range(3):
        stage.quietly('pytask run hello')
    screen.end()


@scene
def watch_in_a_pipe(stage):
    stage.type('pytask ls --watch | cat')


# How scenes are played and written.


def play(name, path):
    """Play one scene, with the commands in `path`; return its transcript. Raises Failed."""
    with tempfile.TemporaryDirectory(prefix='scene-') as folder:
        stage = Stage(Path(folder), path)
        try:
            SCENES[name](stage)
        except Skipped:
            raise
        except Exception as error:
            raise Failed(f'{name}: {error}; so far:\n{stage.transcript()}') from error
        finally:
            stage.close()
        return stage.transcript()


def play_all(names):
    """Return {name: transcript}, {name: why it failed} and {name: why it was not played}."""
    told, failed, skipped = {}, {}, {}

    def one(name):
        try:
            told[name] = play(name, path)
        except Skipped as error:
            skipped[name] = str(error)
        except Exception:  # noqa: BLE001 - it is reported with the others
            failed[name] = traceback.format_exc()

    with tempfile.TemporaryDirectory(prefix='scenes-') as folder:
        path = Path(folder)
        write_commands(path)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(one, names))
    return told, failed, skipped


def on_the_page():
    """Return {name: transcript} as the page has them."""
    return {name: textwrap.dedent(text).strip('\n') + '\n' for _, name, text in PLACE.findall(PAGE.read_text())}


def write(told):
    def updated(place):
        if place[2] not in told:
            return place[0]
        return place[1] + textwrap.indent(told[place[2]], '    ')

    PAGE.write_text(PLACE.sub(updated, PAGE.read_text()))


def main(words):
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in the background: children would inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    names = [word for word in words if not word.startswith('-')] or list(SCENES)
    told, failed, skipped = play_all(names)
    if '--json' in words:
        print(json.dumps({'told': told, 'failed': failed, 'skipped': skipped}))
        return 0
    if '--write' in words:
        write(told)
    else:
        print('\n'.join(f'== {name}\n{told[name]}' for name in names if name in told))
    lines = [f'{name}: not played, {why}\n' for name, why in skipped.items()] + list(failed.values())
    print(''.join(lines), end='', file=sys.stderr)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
