"""The process of `pytask dev` that watches: it owns the server, and has one worker process at a time.

A save starts another process, which imports the new code while the old one goes on. If that works, the old
one hands over what it runs (interrupted, given back to the front of its queue) and ends, and the new one
begins; if it does not, it is told where, and the old one goes on. A process of its own, because only a
fresh interpreter has nothing of the old code, because a task that blocks must not make `dev` deaf, and
because this one then imports neither gevent nor a line of the user's.
"""

from __future__ import annotations

import select
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytask.cli.dev.banner import header, line, redis_line
from pytask.cli.dev.child import FROM_TERMINAL, Generation
from pytask.cli.dev.file_watcher import LOOK_EVERY_S, Watch, forget_bytecode
from pytask.cli.finding.import_errors import shown
from pytask.core.clock import monotonic_s
from pytask.core.exit_codes import EXIT_CONFIG, EXIT_INTERRUPTED
from pytask.embedded.server import EmbeddedServer

if TYPE_CHECKING:
    from pytask.cli.dev.web_socket import Place

# At a handover: from when on runs are interrupted whatever they ask for, when a worker that does not even answer is
# killed, and when any is. At the end of `dev` they have longer: a run's GRACE, and as much for hooks and records.
HURRY_AFTER_S, DEAF_AFTER_S, HANDED_OVER_WITHIN_S, ENDED_WITHIN_S = 1.0, 5.0, 15.0, 30.0
SLOW_IMPORT_S = 5.0
# A worker that ends by itself is replaced, unless that was at once.
LIVES_S = 5.0
FOR_GOOD = frozenset({0, 69})  # told to end from elsewhere; without Redis
KILLED = 'The worker did not let go and was killed; what it ran goes on when the leases have ended.'


class Reloading:
    """`dev` with reload on save; `url` is that of a Redis of the user's, '' for a server of its own.

    `place` is where the page is, None for nowhere.
    """

    def __init__(
        self, folder: Path, tasks: str, *, url: str = '', with_demo: bool = True, place: Place | None = None
    ) -> None:
        self._server = None if url else EmbeddedServer(folder)
        self._url = url
        self._with_demo, self._place = with_demo, place
        self._watch = Watch(Path(tasks).resolve()) if tasks else Watch()
        self._saved: set[str] = set()
        self._now: Generation | None = None
        self._next: Generation | None = None
        self._has_begun = self._is_slow_told = False
        self._signals = Signals()

    def run(self) -> int:
        """Run until Ctrl-C, or until the worker ends for good; return the exit code."""
        try:
            self._next = self._new()  # it imports while the server starts
            if self._server is not None:
                self._url = self._server.start().url
            header(redis_line(self._server, self._url))
            self._next.load(self._url)
            return self._loop()
        finally:
            for generation in self._both():
                generation.kill()
            if self._server is not None:
                self._server.stop()
            line('stopped')

    def _loop(self) -> int:
        while not self._signals.count:
            self._wait()
            self._keep_server()
            code = self._see_to_now()
            if code is not None:
                return code
            self._see_to_next()
            self._saved.update(self._watch.saved())
            if self._saved and not (self._now and self._now.is_leaving):
                self._reload()
        return self._end()

    def _keep_server(self) -> None:
        if self._server is None or not self._server.keep():
            return
        line(redis_line(self._server, self._server.url, is_anew=True))
        if self._server.url != self._url:  # a third `dev` was faster, and has chosen another port
            self._url = self._server.url
            self._drop_next()
            self._begin_next()

    def _both(self) -> list[Generation]:
        return [generation for generation in (self._now, self._next) if generation is not None]

    def _wait(self, seconds: float = LOOK_EVERY_S) -> None:
        watched: list[Signals | Generation] = [self._signals, *self._both()]
        heard, _, _ = select.select(watched, [], [], seconds)
        for one in heard:
            for words in one.hear():
                self._on(words, is_next=one is self._next)

    def _on(self, words: dict[str, Any], *, is_next: bool) -> None:
        self._watch.add(words.get('files', ()), folder=words.get('folder', ''))
        if 'failed' in words and is_next:
            self._drop_next()
            line(f'{words["failed"]}\n{self._what_goes_on()}\n')

    def _see_to_now(self) -> int | None:
        now = self._now
        if now is None:
            return None
        if now.code is not None:
            self._now = None
            now.close()
            return None if now.is_leaving else self._replace(now)
        if now.is_leaving:
            now.press(HURRY_AFTER_S)
            if now.is_deaf(DEAF_AFTER_S) or now.told_for_s > HANDED_OVER_WITHIN_S:
                line(KILLED)
                now.kill()
        return None

    def _see_to_next(self) -> None:
        coming = self._next
        if coming is None:
            return
        if coming.is_loaded and self._now is None:
            self._now, self._next = coming, None
            coming.serve(
                is_first=not self._has_begun,
                with_demo=self._with_demo and not self._has_begun,
                web=self._place.words() if self._place else None,
            )
            self._has_begun = True
        elif coming.is_loaded:
            self._now.leave()  # type: ignore[union-attr]
        elif coming.code is not None:
            self._drop_next()
            line(f'The code ended its process, exit code {coming.code}, while it was imported.')
            line(f'{self._what_goes_on()}\n')
        elif coming.age_s > SLOW_IMPORT_S and not self._is_slow_told:
            self._is_slow_told = True
            line(f'The import goes on since {coming.age_s:.0f} s.')

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
        self._next, self._is_slow_told = self._new(), False
        self._next.load(self._url)

    def _new(self) -> Generation:
        return Generation(self._place.descriptor) if self._place else Generation()

    def _drop_next(self) -> None:
        if self._next is not None:
            self._next.kill()
            self._next.close()
            self._next = None

    def _replace(self, ended: Generation) -> int | None:
        code = ended.code or 0
        if code in FOR_GOOD:
            return code
        line(f'The worker has ended, exit code {code}.')
        if self._next is None and code != EXIT_CONFIG and ended.age_s > LIVES_S:
            self._begin_next()
        else:
            line(f'{self._what_goes_on()}\n')
        return None

    def _what_goes_on(self) -> str:
        if self._now is not None:
            return 'The code from before goes on; the next save is tried.'
        return 'No worker runs; the next save is tried.'

    def _end(self) -> int:
        since, is_told = monotonic_s(), False
        if sys.stdout.isatty():
            line('')  # below the ^C that the terminal shows
        self._drop_next()
        now = self._now
        while now is not None and now.code is None:
            now.leave()
            if self._signals.count > 1:
                now.press(0)
            elif not is_told and monotonic_s() - since > HURRY_AFTER_S:
                is_told = True
                line('What runs is given its time to stop; Ctrl-C again cuts it short.')
            if self._signals.count > 2 or now.is_deaf(DEAF_AFTER_S) or monotonic_s() - since > ENDED_WITHIN_S:
                line(KILLED)
                now.kill()
                return EXIT_INTERRUPTED
            self._wait()
        return (now.code or 0) if now is not None else 0


class Signals:
    """Counts what asks for an end, and wakes up who waits."""

    def __init__(self) -> None:
        self.count = 0
        self._end, wake = socket.socketpair()
        self._wake = wake
        wake.settimeout(0)
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        for number in (*FROM_TERMINAL, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def fileno(self) -> int:
        return self._end.fileno()

    def hear(self) -> list[dict[str, Any]]:
        self._end.recv(64)
        return []

    def _on_signal(self, _number: int, _frame: Any) -> None:
        self.count += 1
