"""Stacks: where the greenlets and threads of runs are, and which run has the hub.

Takes no lock and never switches, so a native thread may ask as well as the hub. Frames of the author's code are
shown with their source, those of libraries are counted, and pytask's own at the bottom are left out.
"""

from __future__ import annotations

import contextlib
import faulthandler
import linecache
import os
import sys
import sysconfig
import traceback
from functools import lru_cache, partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from greenlet import greenlet

from pytask.authoring.task import current
from pytask.core import codec
from pytask.errors import PytaskError
from pytask.worker.attempt import port
from pytask.worker.attempt.launcher import Launcher
from pytask.worker.attempt.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import FrameType

    from pytask.store import Store
    from pytask.worker.live import Live
    from pytask.worker.slots import Slots

_OURS = str(Path(__file__).parents[2]) + os.sep
_LIBRARIES = tuple(
    {sysconfig.get_path(name) + os.sep for name in ('stdlib', 'platstdlib', 'purelib', 'platlib')} | {_OURS}
)
_PACKAGES = (f'{os.sep}site-packages{os.sep}', f'{os.sep}dist-packages{os.sep}')
_HERE = str(Path.cwd()) + os.sep
# One of these is near the bottom of an attempt's stack.
_ATTEMPT = frozenset({Launcher.run.__code__, Runner.perform.__code__})

# The last frames are enough to recognise an endless recursion.
DEEPEST = 100
LONGEST_NAME = 64
STDERR = 2


class CodePlace(NamedTuple):
    """A line of code that is running."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f'{short(self.file)}:{self.line} in {self.function}' if self.file else 'compiled code'


NOWHERE = CodePlace('', 0, '')


def answer(slots: Slots, store: Store, asked: Mapping[str, Any]) -> None:
    """Store the stacks of the run `run` under the name `answer`. Invalid questions are ignored."""
    run_id, name = asked.get('run'), asked.get('answer')
    if not isinstance(run_id, str) or not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME:
        return
    live = slots.get(run_id)
    said: dict[str, str] = {}
    if live is not None:
        said = {'stack': of_run(live, is_full=asked.get('full') is True), 'told': live.end.reason}
    with contextlib.suppress(PytaskError):  # the asker reports that there is no answer
        store.answers.give(name, codec.encode(said))


def dump(worker_id: str, lives: Sequence[Live], frame: FrameType | None, descriptor: int = STDERR) -> None:
    """Write all stacks to a file descriptor; `frame` is where the current greenlet is.

    For signal handlers, even while a greenlet blocks the hub: it takes no lock and never switches.
    """
    now = '' if frame is None else f', now at {place_of(frame)}'
    lines = [f'pytask: worker {worker_id}, {len(lives)} runs{now}. All stacks:']
    for live in lives:
        told = f', told to end: {live.end.reason}' if live.end.reason else ''
        lines.append(f'{live}, attempt {live.attempt}{told}')
        lines.append(of_run(live, is_full=True, running=frame))
    _write(descriptor, '\n'.join([*lines, 'all threads:', '']))
    faulthandler.dump_traceback(descriptor, all_threads=True)


def of_run(live: Live, *, is_full: bool = False, running: FrameType | None = None) -> str:
    """Render every greenlet of a run and the native threads that work for it.

    `running` is the frame of the greenlet that has the hub now, which may be one of this run.
    """
    parts: list[str] = []
    for name, one in _greenlets(live):
        parts += [name, *_of_greenlet(one, running, is_first=one is live.greenlet, is_full=is_full)]
    for frame in _offloaded(live):
        parts += ['in a native thread', *of_frame(frame, is_full=is_full)]
    return '\n'.join(parts) or 'it has no greenlet'


def of_frame(frame: FrameType, *, is_full: bool = False) -> list[str]:
    """Render a stack, outermost frame first, indented by two spaces."""
    places = places_of(frame)
    while len(places) > 1 and places[0].file.startswith(_OURS):
        del places[0]
    dropped, places = places[:-DEEPEST], places[-DEEPEST:]
    if dropped:
        return [f'  … {len(dropped):,} frames before', *(line for place in places for line in _lines(place))]
    if is_full or not any(is_own(place.file) for place in places):
        return [line for place in places for line in _lines(place)]
    lines: list[str] = []
    for own, group in groupby(places, lambda place: is_own(place.file)):
        if own:
            lines += [line for place in group for line in _lines(place)]
        else:
            lines.append(_counted(list(group)))
    return lines


def places_of(frame: FrameType) -> list[CodePlace]:
    """Return the places of a stack, outermost first."""
    walk = traceback.walk_stack(frame)
    return [CodePlace(f.f_code.co_filename, line or 0, f.f_code.co_name) for f, line in walk][::-1]


def place_of(frame: FrameType) -> CodePlace:
    """Return the innermost place in the author's code, else the innermost of all."""
    places = places_of(frame)
    return next((place for place in reversed(places) if is_own(place.file)), places[-1])


def whose(frame: FrameType, lives: Iterable[Live]) -> Live | None:
    """Return the run that the hub's thread is working for, given its frame; None if it is none of these."""
    held = list(lives)
    found = None
    for f, _ in traceback.walk_stack(frame):
        if f.f_code in _ATTEMPT:
            found = f.f_locals.get('live')
    if found is not None:
        return found if any(live is found for live in held) else None
    return next((live for live in held if any(_is_at(child, frame) for child in _children(live))), None)


@lru_cache(maxsize=4096)
def is_own(file: str) -> bool:
    """Tell whether a file is the author's: not a library's, and not frozen into the interpreter."""
    in_library = file.startswith(_LIBRARIES) or any(part in file for part in _PACKAGES)
    return not in_library and not file.startswith('<frozen ') and os.sep in file


def short(file: str) -> str:
    """Shorten a path: relative to the current folder or to its library."""
    for part in _PACKAGES:
        file = file.rpartition(part)[2]
    starts = (_HERE, *_LIBRARIES)
    return next((file.removeprefix(start) for start in starts if file.startswith(start)), file)


def _greenlets(live: Live) -> list[tuple[str, Any]]:
    found = [] if live.greenlet is None else [('start', live.greenlet)]
    for child in _children(live):
        found.append((f'spawned {getattr(_function_of(child), "__name__", child.name)}', child))
    return found


def _children(live: Live) -> list[Any]:
    task: Any = live.task
    return list(task.pytask_port.children or ()) if task is not None else []


def _function_of(child: Any) -> Any:
    run = getattr(child, '_run', None)
    while isinstance(run, partial):
        run = run.func
    return run


def _is_at(one: Any, frame: FrameType) -> bool:
    # A child has no frame of pytask's below it, since gevent's are compiled. So it is the one that began with the
    # function at the bottom of this stack and, unlike those that wait, has no frame.
    bottom = [f for f, _ in traceback.walk_stack(frame)][-1].f_code
    return one.gr_frame is None and _has_begun(one) and getattr(_function_of(one), '__code__', None) is bottom


def _has_begun(child: Any) -> bool:
    return greenlet.__bool__(child)  # gevent's is also true for one that has not begun


def _of_greenlet(one: Any, running: FrameType | None, *, is_first: bool, is_full: bool) -> list[str]:
    frame = one.gr_frame
    if frame is not None:
        return of_frame(frame, is_full=is_full)
    if not _has_begun(one):
        return ['  has ended' if one.dead else '  has not begun']
    if running is not None and (is_first or _is_at(one, running)):
        return of_frame(running, is_full=is_full)
    return ['  is running, or waits inside compiled code']


def _offloaded(live: Live) -> list[FrameType]:
    found = []
    for frame in sys._current_frames().values():  # noqa: SLF001 - documented, for just this
        for f, _ in traceback.walk_stack(frame):
            if f.f_code is port._in_thread.__code__:  # noqa: SLF001 - where a thread of a run begins
                task: Any = f.f_locals['context'].get(current)
                if task is not None and task.pytask_port.live is live:
                    found.append(frame)
    return found


def _lines(place: CodePlace) -> list[str]:
    source = linecache.getline(place.file, place.line).strip()
    return [f'  {place}', f'    {source}'] if source else [f'  {place}']


def _counted(places: list[CodePlace]) -> str:
    names = dict.fromkeys(Path(short(place.file)).parts[0].removesuffix('.py') for place in places)
    return f'  … {len(places)} {"frame" if len(places) == 1 else "frames"} of {", ".join(names)}'


def _write(descriptor: int, text: str) -> None:
    left = text.encode('utf-8', 'backslashreplace')
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except OSError:
            return
