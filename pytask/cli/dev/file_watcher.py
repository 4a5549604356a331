"""Watches files for saves, by looking: a save is new content that has settled, however an editor writes it.

Looking needs no dependency and works on every file system: 300 files take a millisecond. An editor that writes a
temporary file and renames it, a checkout that touches a hundred files, and a file that is gone for a moment each
count once; the same content again counts not at all.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from importlib.util import cache_from_source
from pathlib import Path
from typing import TYPE_CHECKING

from pytask.core.clock import monotonic_s

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# How often the files are looked at: seldom enough that a large folder costs at most a twentieth of a CPU.
LOOK_EVERY_S, SHARE = 0.1, 20

Signature = tuple[int, int, int]


class Watch:
    """Looks at the Python files below some folders, and at single ones beside them."""

    def __init__(self, *folders: Path) -> None:
        self._folders = set(folders)
        self._files: set[str] = set()
        self._look_at = 0.0
        self._seen = self._look()
        self._content = {path: _digest(path) for path in self._seen}
        self._stable = self._seen

    def add(self, files: Iterable[str], folder: str = '') -> None:
        """Watch these files too, and what is below a folder; as they are now."""
        if folder and Path(folder) not in self._folders:
            self._folders.add(Path(folder))
            files = [*files, *_python_files(Path(folder))]
        for path in set(files) - self._files:
            self._files.add(path)
            if path not in self._seen and (signature := _signature(path)):
                self._seen[path] = signature
                self._content[path] = _digest(path)

    def saved(self) -> list[str]:
        """Return the files that were saved, made or deleted since the last call, once they have settled."""
        now = monotonic_s()
        if now < self._look_at:
            return []
        seen = self._look()
        self._look_at = now + max(LOOK_EVERY_S, SHARE * (monotonic_s() - now))
        before, self._seen = self._seen, seen
        if seen != before or seen == self._stable:
            return []  # somebody is still writing, or nobody did
        touched = {path for path, _ in seen.items() ^ self._stable.items()}
        self._stable = seen
        return sorted(path for path in touched if self._is_new(path))

    def _is_new(self, path: str) -> bool:
        before, now = self._content.get(path), _digest(path)
        self._content[path] = now
        return before != now

    def _look(self) -> dict[str, Signature]:
        found = {path: _signature(path) for folder in self._folders for path in _python_files(folder)}
        found |= {path: _signature(path) for path in self._files}
        return {path: signature for path, signature in found.items() if signature}


def forget_bytecode(paths: Iterable[str]) -> None:
    """Delete what Python has compiled these files to.

    It compares whole seconds and sizes, and takes a second save of the same length for the first.
    """
    for path in paths:
        with suppress(OSError, NotImplementedError):
            Path(cache_from_source(path)).unlink()


def _python_files(folder: Path) -> Iterator[str]:
    for parent, below, names in os.walk(folder):
        below[:] = [name for name in below if not name.startswith(('.', '__'))]
        # What editors keep beside a file begins with a dot, or does not end like one of ours.
        yield from (f'{parent}/{name}' for name in names if name.endswith('.py') and not name.startswith('.'))


def _signature(path: str) -> Signature | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - called for every file, ten times a second
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _digest(path: str) -> bytes | None:
    try:
        return hashlib.blake2b(Path(path).read_bytes(), digest_size=16).digest()
    except OSError:
        return None
