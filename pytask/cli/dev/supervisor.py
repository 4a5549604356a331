"""The supervisor of `pytask dev`: it owns the Redis server, watches files, and has one worker process at a time.

A save starts another process, which imports the new code while the old one keeps running. If that works, the old
process requeues its runs and ends, and the new one begins; if not, the error is shown and the old one stays. The
worker is a process of its own because only a fresh interpreter has nothing of the old code, and because a blocking
task must not make `dev` deaf. The supervisor imports neither gevent nor any of the user's code.
"""

from __future__ import annotations

import select
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from pytask.cli.dev.banner import header, line, redis_line
from pytask.cli.dev.child import FROM_TERMINAL, Serving, WorkerProcess
from pytask.cli.dev.file_watcher import LOOK_EVERY_S, FileWatcher, forget_bytecode
from pytask.cli.finding.import_errors import shown
from pytask.core.clock import monotonic_s
from pytask.core.exit_codes import EXIT_CONFIG, EXIT_INTERRUPTED, EXIT_OK, EXIT_UNAVAILABLE
from pytask.embedded.server import EmbeddedServer
from pytask.errors import ConfigError

# At a reload: when all runs are interrupted, when a worker that does not even answer is killed, and when any is. At
# the end of `dev` there is more time: for a run's GRACE, and as much again for hooks and records.
HURRY_AFTER_S, DEAF_AFTER_S, HANDED_OVER_WITHIN_S, ENDED_WITHIN_S = 1.0, 5.0, 15.0, 30.0
SLOW_IMPORT_S = 5.0
# A worker that exits is replaced, unless it lived no longer than this.
LIVES_S = 5.0
FOR_GOOD = frozenset({EXIT_OK, EXIT_UNAVAILABLE})  # it was told to end by another command, or has no Redis
KILLED = 'The worker did not stop in time and was killed; its runs continue when their leases expire.'


class DevSupervisor:
    """`tasks` is the folder to watch, '' for none; `url` is the user's Redis, '' for an embedded server."""

    def __init__(self, folder: Path, tasks: str, url: str, how: Serving) -> None:
        self._server = None if url else EmbeddedServer(folder)
        self._url, self._how = url, how
        self._watcher = FileWatcher(Path(tasks).resolve()) if tasks else FileWatcher()
        self._saved: set[str] = set()
        self._now: WorkerProcess | None = None
        self._next: WorkerProcess | None = None
        self._is_slow_told = False
        self._signals = StopSignals()

    def run(self) -> int:
        """Run until Ctrl-C, or until the worker ends for good; return the exit code."""
        try:
            self._next = self._new()  # it starts while the server does
            if self._server is not None:
                self._url = self._server.start().url
            header(redis_line(self._server, self._url))
            self._next.load(self._url)
            return self._loop()
        finally:
            for process in self._both():
                process.kill()
            if self._server is not None:
                self._server.stop()
            line('stopped')

    def _loop(self) -> int:
        while not self._signals.count:
            self._wait()
            self._keep_server()
            code = self._check_now()
            if code is not None:
                return code
            self._check_next()
            if self._how.reloads:
                self._saved.update(self._watcher.saved())
            if self._saved and not (self._now and self._now.is_leaving):
                self._reload()
        return self._end()

    def _keep_server(self) -> None:
        if self._server is None or not self._server.keep():
            return
        line(redis_line(self._server, self._server.url, is_restarted=True))
        if self._server.url != self._url:  # another `dev` was faster, and chose another port
            self._url = self._server.url
            self._begin_next()

    def _both(self) -> list[WorkerProcess]:
        return [process for process in (self._now, self._next) if process is not None]

    def _wait(self) -> None:
        watched: list[StopSignals | WorkerProcess] = [self._signals, *self._both()]
        for one in select.select(watched, [], [], LOOK_EVERY_S)[0]:
            for message in one.receive():
                self._watcher.add(message.get('files', ()), folder=message.get('folder', ''))
                if 'failed' in message and one is self._next:
                    self._give_up_next(message['failed'])

    def _check_now(self) -> int | None:
        now = self._now
        if now is None:
            return None
        if now.code is not None:
            self._now = None
            now.close()
            return None if now.is_leaving else self._replace(now)
        if now.is_leaving:
            now.hurry(HURRY_AFTER_S)
            if now.is_deaf(DEAF_AFTER_S) or now.leaving_for_s > HANDED_OVER_WITHIN_S:
                line(KILLED)
                now.kill()
        return None

    def _check_next(self) -> None:
        coming = self._next
        if coming is None:
            return
        if coming.is_loaded and self._now is None:
            self._now, self._next = coming, None
            coming.serve(self._how)
            self._how = self._how._replace(is_first=False, with_demo=False)
        elif coming.is_loaded:
            self._now.leave()  # type: ignore[union-attr]
        elif coming.code is not None:
            self._give_up_next(f'The code exited with code {coming.code} while it was imported.')
        elif coming.age_s > SLOW_IMPORT_S and not self._is_slow_told:
            self._is_slow_told = True
            line(f'Still importing after {coming.age_s:.0f} s.')

    def _reload(self) -> None:
        first, *more = sorted(map(shown, self._saved))
        others = f' and {len(more)} more' if more else ''
        what = 'saved' if more or Path(first).exists() else 'deleted'
        line(f'{first}{others} {what}: reloading')
        self._drop_next()  # before the bytecode, which it may be writing
        forget_bytecode(self._saved)
        self._saved.clear()
        self._begin_next()

    def _begin_next(self) -> None:
        self._drop_next()
        self._next, self._is_slow_told = self._new(), False
        self._next.load(self._url)

    def _new(self) -> WorkerProcess:
        web = self._how.web
        return WorkerProcess(web['descriptor']) if web else WorkerProcess()

    def _drop_next(self) -> None:
        if self._next is not None:
            self._next.kill()
            self._next.close()
            self._next = None

    def _give_up_next(self, why: str) -> None:
        self._drop_next()
        if not self._how.reloads:
            raise ConfigError(why)
        self._tell_what_runs(why)

    def _tell_what_runs(self, why: str) -> None:
        runs = 'The old code keeps running.' if self._now is not None else 'No worker is running.'
        line(f'{why}\n{runs} Save a file to try again.\n')

    def _replace(self, ended: WorkerProcess) -> int | None:
        code = ended.code or EXIT_OK
        if code in FOR_GOOD or self._how.exits:
            return code
        why = f'The worker exited with code {code}.'
        if self._next is None and code != EXIT_CONFIG and ended.age_s > LIVES_S:
            line(why)
            self._begin_next()
        elif not self._how.reloads:
            return code
        else:
            self._tell_what_runs(why)
        return None

    def _end(self) -> int:
        since, is_told = monotonic_s(), False
        if sys.stdout.isatty():
            line('')  # below the ^C that the terminal shows
        self._drop_next()
        now = self._now
        while now is not None and now.code is None:
            now.leave()
            if self._signals.count > 1:
                now.hurry(0)
            elif not is_told and monotonic_s() - since > HURRY_AFTER_S:
                is_told = True
                line('Waiting for runs to stop; Ctrl-C again interrupts them.')
            if self._signals.count > 2 or now.is_deaf(DEAF_AFTER_S) or monotonic_s() - since > ENDED_WITHIN_S:
                line(KILLED)
                now.kill()
                return EXIT_INTERRUPTED
            self._wait()
        return (now.code or EXIT_OK) if now is not None else EXIT_OK


class StopSignals:
    """Counts the signals that ask for an end, and wakes up `select`."""

    def __init__(self) -> None:
        self.count = 0
        self._end, self._wake = socket.socketpair()
        self._wake.settimeout(0)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        for number in (*FROM_TERMINAL, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def fileno(self) -> int:
        return self._end.fileno()

    def receive(self) -> list[dict[str, Any]]:
        self._end.recv(64)
        return []

    def _on_signal(self, _number: int, _frame: Any) -> None:
        self.count += 1
