"""`pytask …` within this process: a process of its own costs 0.4 to 1.7 s of CPU, most of it for imports.

What a command sees is what it sees in a process: folder, environment, standard streams, arguments. What it leaves
behind is removed: modules of the folder, handlers of signals and logs, the current app. Commands that serve, and
whatever is about signals, pipes, terminals or patching, run in real processes.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import signal
import subprocess
import sys
import traceback
import warnings

import gevent

from pytask.app import app as app_module
from pytask.cli import command_line

SERVING = frozenset({'worker', 'dev', 'web', 'redis'})
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE)


def needs_a_process(words, environment):
    """Tell whether only a process can run this: completion ends its own, and PYTHON… speaks to the interpreter."""
    return bool(SERVING & set(words)) or any(
        name.startswith(('_PYTASK_COMPLETE', 'PYTHON')) for name in environment
    )


def run_here(words, folder, environment, stdin, timeout):
    """Run `pytask WORDS` to its end, and return what `subprocess.run` would."""
    words = [str(word) for word in words]
    out, err = (io.TextIOWrapper(io.BytesIO(), 'utf-8', write_through=True) for _ in range(2))
    with (
        gevent.Timeout(timeout, subprocess.TimeoutExpired(words, timeout)),
        _streams(io.TextIOWrapper(io.BytesIO((stdin or '').encode()), 'utf-8'), out, err),
        _environment(environment),
        contextlib.chdir(folder),
        _modules(folder),
        _handlers(),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter('ignore')  # as in a process without -W
        code = _exit_code(words)
    return subprocess.CompletedProcess(words, code, *(said.buffer.getvalue().decode() for said in (out, err)))


def _exit_code(words):
    try:
        return command_line(words)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
            return 1
        return end.code or 0
    except Exception:  # noqa: BLE001 - the interpreter's own last word
        traceback.print_exc()
        return 1


@contextlib.contextmanager
def _streams(*streams):
    before = sys.stdin, sys.stdout, sys.stderr, sys.argv
    sys.stdin, sys.stdout, sys.stderr = streams
    sys.argv = ['pytask']
    try:
        yield
    finally:
        sys.stdin, sys.stdout, sys.stderr, sys.argv = before


@contextlib.contextmanager
def _environment(environment):
    before = dict(os.environ)
    try:
        os.environ.clear()
        os.environ.update(environment)
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def _modules(folder):
    """Let the folder be the first place of modules, as for `python -m`, and forget what came from there."""
    path, hidden = list(sys.path), {name: sys.modules.pop(name) for name in list(sys.modules) if _is_tasks(name)}
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    app_module.default_app.cache_clear()
    try:
        yield
    finally:
        sys.path[:] = path
        app_module.default_app.cache_clear()
        for name in [name for name in set(sys.modules) - before if _is_tasks(name) or _is_from(name, str(folder))]:
            del sys.modules[name]
        sys.modules.update(hidden)
        for place in [place for place in sys.path_importer_cache if place.startswith(str(folder))]:
            del sys.path_importer_cache[place]


def _is_tasks(name):
    return name.partition('.')[0] == 'tasks'  # the gallery's here, those of its folder for a command


def _is_from(name, folder):
    module = sys.modules[name]
    places = [getattr(module, '__file__', None) or '', *getattr(module, '__path__', ())]
    return any(place.startswith(folder) for place in places)


@contextlib.contextmanager
def _handlers():
    signals = {number: signal.getsignal(number) for number in SIGNALS}
    root, ours = logging.getLogger(), logging.getLogger('pytask')
    logs = [(logger, logger.handlers[:], logger.level, logger.propagate) for logger in (root, ours)]
    try:
        yield
    finally:
        for number, handler in signals.items():
            signal.signal(number, handler)
        for logger, handlers, level, propagate in logs:
            logger.handlers[:], logger.propagate = handlers, propagate
            logger.setLevel(level)
