"""Flask sites of tests: written into a folder, served by real servers, with the workers beside them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

from support import wait_until

from pytask.embedded.server import free_port


def _facts(pid):
    return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()


def is_there(pid):
    try:
        return _facts(pid)[0] != 'Z'
    except OSError:
        return False


def parent_of(pid):
    return int(_facts(pid)[1])


class Sites:
    """Web servers of one test, in the folder of its processes."""

    def __init__(self, processes):
        self.processes, self.folder = processes, processes.folder
        self.server = processes.server
        self.redis = self.server.client()
        self.port = free_port()
        self.seen: set[int] = set()  # pids of workers
        self.webs: list[subprocess.Popen] = []
        (self.folder / 'tmp').mkdir()

    def write(self, name, source):
        path = self.folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(textwrap.dedent(source))
        return path

    def environment(self, **more):
        # Locks stand in the temporary folder.
        return self.processes.environment(TMPDIR=str(self.folder / 'tmp'), PORT=str(self.port), **more)

    def start(self, *words, **environment):
        """Start a Python program in a session of its own; its output goes to `web.log`."""
        with (self.folder / 'web.log').open('ab') as log:
            web = subprocess.Popen(
                [sys.executable, *words], cwd=self.folder, env=self.environment(**environment), stdout=log,
                stderr=log, start_new_session=True,
            )  # fmt: skip
        self.webs.append(web)
        return web

    def serve(self, *words, **environment):
        """Start a web server, and wait until it answers."""
        web = self.start(*words, **environment)
        wait_until(lambda: web.poll() is not None or self.call('')[0], 'the site answers', 30)
        assert web.poll() is None, self.log
        return web

    def flask(self, *words, **environment):
        return self.serve('-m', 'flask', *words, 'run', '--port', str(self.port), **environment)

    def gunicorn(self, *words, **environment):
        words = ['-b', f'127.0.0.1:{self.port}', '--graceful-timeout', '5', *words]
        return self.serve('-m', 'gunicorn', *words, **environment)

    def run(self, *words, **environment):
        """Run a Python program to its end."""
        return subprocess.run(
            [sys.executable, *words], cwd=self.folder, env=self.environment(**environment), capture_output=True,
            text=True, timeout=60, check=False,
        )  # fmt: skip

    def call(self, path, data=None):
        """Return HTTP status and JSON; a status of 0 where nobody listens."""
        url = f'http://127.0.0.1:{self.port}/{path}'
        body = None if data is None else json.dumps(data).encode()
        request = urllib.request.Request(url, body, {'Content-Type': 'application/json'})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, None
        except OSError:
            return 0, None

    def ask(self, path, data=None):
        status, told = self.call(path, data)
        assert status in (200, 202), (status, self.log)
        return told

    @property
    def log(self):
        return (self.folder / 'web.log').read_text()

    def workers(self, prefix=''):
        """Return the pids of the workers that are alive."""
        ids = self.redis.zrange(f'{prefix}workers', 0, -1)
        pids = {int(pid) for name in ids if (pid := self.redis.hget(f'{prefix}worker-{name}', 'pid'))}
        self.seen |= pids
        return {pid for pid in pids if is_there(pid)}

    def one_worker(self, other_than=0, timeout=30.0):
        """Wait until there is exactly one worker, another one than that, and return its pid."""

        def one():
            pids = self.workers()
            return pids if len(pids) == 1 and other_than not in pids else None

        (pid,) = wait_until(one, f'there is one worker\n{self.log}', timeout)
        return pid

    def state(self, run_id, prefix=''):
        return self.redis.hget(f'{prefix}task-{run_id}', 'state')

    def ended(self, run_id, state='SUCCESS', timeout=30.0):
        """Wait until a run has ended so, and return its output."""
        wait_until(lambda: self.state(run_id) == state, f'{run_id} is {state}', timeout)
        return json.loads(self.redis.hget(f'task-{run_id}', 'output'))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with suppress(Exception):
            self.workers()
        for web in self.webs:  # with all that they have forked; the workers have sessions of their own
            with suppress(ProcessLookupError):
                os.killpg(web.pid, signal.SIGKILL)
            web.wait()
        try:
            wait_until(lambda: not any(map(is_there, self.seen)), 'the workers end with their parents', 40)
        finally:
            for pid in filter(is_there, self.seen):
                os.kill(pid, signal.SIGKILL)
            self.redis.close()
