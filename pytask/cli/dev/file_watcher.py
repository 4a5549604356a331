"""Watches files for saves by polling: a save is new content that has settled, however an editor writes it.

Polling needs no dependency, works on network and container mounts, and 300 files take a millisecond. `watchfiles`
was rejected: it misses saves on such mounts, and never again sees a folder that a checkout deletes and restores.
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

# How often to look, and seldom enough that a large folder takes at most one in SHARE parts of a CPU.
LOOK_EVERY_S, SHARE = 0.1, 20

Signature = tuple[int, int, int]


class FileWatcher:
    """Watches the Python files below some folders, and single files elsewhere."""

    def __init__(self, *folders: Path) -> None:
        self._folders, self._files = set(folders), set[str]()
        self._look_at = 0.0
        self._seen = self._settled = self._look()
        self._digests = {path: _digest(path) for path in self._seen}

    def add(self, files: Iterable[str], folder: str = '') -> None:
        """Watch these files too, and those below a folder; changes count from now on."""
        new = set(files) - self._files
        if folder and Path(folder) not in self._folders:
            self._folders.add(Path(folder))
            new.update(_python_files(Path(folder)))
        self._files |= new
        for path in new - self._seen.keys():
            if signature := _signature(path):
                self._seen[path], self._digests[path] = signature, _digest(path)

    def saved(self) -> list[str]:
        """Return the files that were saved, made or deleted since the last call, once they have settled."""
        now = monotonic_s()
        if now < self._look_at:
            return []
        before, self._seen = self._seen, self._look()
        self._look_at = now + max(LOOK_EVERY_S, SHARE * (monotonic_s() - now))
        if self._seen != before or self._seen == self._settled:
            return []  # a file is still being written, or nothing has changed
        touched = {path for path, _ in self._seen.items() ^ self._settled.items()}
        self._settled = self._seen
        before_digests, now_digests = self._digests, {path: _digest(path) for path in touched}
        self._digests = before_digests | now_digests
        return sorted(path for path in touched if now_digests[path] != before_digests.get(path))

    def _look(self) -> dict[str, Signature]:
        paths = self._files.union(*map(_python_files, self._folders))
        return {path: signature for path in paths if (signature := _signature(path))}


def forget_bytecode(paths: Iterable[str]) -> None:
    """Delete the bytecode of these files.

    Python compares whole seconds and sizes, and would take a second save of the same length for the first.
    """
    for path in paths:
        with suppress(OSError, NotImplementedError):
            Path(cache_from_source(path)).unlink()


def _python_files(folder: Path) -> Iterator[str]:
    for parent, below, names in os.walk(folder):
        below[:] = [name for name in below if not name.startswith(('.', '__'))]
        # Files that editors keep beside a module begin with a dot, or do not end in .py.
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
