"""files/tail: follow a growing file, also when it is rotated or truncated.

    pytask run files/tail path=/var/log/syslog

Worth learning from: a task without `stop`. When it is stopped, it is interrupted at once, wherever it is,
and the `finally` closes the file. That suits a task without output that may end anywhere.

It checks the name, as `tail -F` does, which has limits: a file that is rotated twice within `every` may be
missed, and a file that is truncated and outgrows its old size within `every` seems to have grown. If another
worker restarts the run, it does not know which lines were already emitted.
"""

import os
from pathlib import Path
from typing import BinaryIO

import gevent

from pytask import Task

CHUNK_BYTES = 64 * 1024
LINE_BYTES = 64 * 1024
SHORTEST_S, LONGEST_S = 0.001, 24 * 60 * 60


class Tail(Task):
    """Emit `line` with `line` and `number`, counted from 1 in this run, for each complete line.

    A line is cut at 64 KiB; bytes that are not UTF-8 become U+FFFD. If there is no file, the task emits
    `waiting` once, waits for the file, and then reads it from its start.
    """

    NAME = 'files/tail'

    def __init__(self, path: str, *, from_start: bool = False, every: float = 0.2) -> None:
        if not SHORTEST_S <= every <= LONGEST_S:
            raise self.Error(f'every must be from 1 ms to one day, not {every:g} s')
        self.path, self.every_s = Path(path), every
        self.skips_to_end = not from_start
        self.is_waiting = False
        self.file: BinaryIO | None = None
        self.partial = b''
        self.number = 0

    def start(self) -> None:
        try:
            for _ in self.every(self.every_s):
                self.look()
        except OSError as error:
            raise self.Error(f'cannot read {self.path}: {error.strerror}') from error
        finally:
            self.close()

    def look(self) -> None:
        """Emit the lines added since the last call."""
        if self.file is None and not self.open():
            return
        # Check before reading: once another file has the name, this one gets no more lines.
        is_replaced = self.is_replaced()
        if self.is_truncated():
            self.end_line()
            self.file.seek(0)
        self.read()
        if is_replaced:
            self.end_line()
            self.close()
            if self.open():
                self.read()

    def open(self) -> bool:
        if self.path.exists() and not self.path.is_file():
            raise self.Error(f'not a file: {self.path}')  # opening a named pipe would block the whole worker
        try:
            self.file = self.path.open('rb', buffering=0)
        except FileNotFoundError:
            if not self.is_waiting:
                self.emit('waiting', {'path': str(self.path)})
            self.is_waiting, self.skips_to_end = True, False
            return False
        if self.skips_to_end:
            self.file.seek(0, os.SEEK_END)
        self.is_waiting = self.skips_to_end = False
        return True

    def close(self) -> None:
        if self.file is not None:
            self.file.close()
            self.file = None

    def is_replaced(self) -> bool:
        try:
            there = self.path.stat()
        except FileNotFoundError:  # renamed, without a successor yet: it may still grow
            return False
        return not os.path.samestat(there, os.fstat(self.file.fileno()))

    def is_truncated(self) -> bool:
        return os.fstat(self.file.fileno()).st_size < self.file.tell()

    def read(self) -> None:
        while chunk := self.file.read(CHUNK_BYTES):
            *lines, partial = (self.partial + chunk).split(b'\n')
            # Keep only what will be emitted: a file without newlines must not fill the memory.
            self.partial = partial[:LINE_BYTES]
            for line in lines:
                self.emit_line(line)
            gevent.sleep(0)  # let other greenlets run while reading a long file

    def end_line(self) -> None:
        """Emit the last line of a file that gets no more lines."""
        if self.partial:
            self.emit_line(self.partial)
            self.partial = b''

    def emit_line(self, line: bytes) -> None:
        self.number += 1
        text = line[:LINE_BYTES].removesuffix(b'\r').decode('utf-8', 'replace')
        self.emit('line', {'line': text, 'number': self.number})
