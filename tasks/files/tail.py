"""files/tail: follow a file that grows, and keep following it when it is rotated or truncated.

    pytask run files/tail path=/var/log/syslog

Worth learning from: a task without `stop`. Asked to stop it is interrupted wherever it is, at once,
and the `finally` closes the file. That suits a task which may be cut anywhere and has no output.

Its limits are those of looking by name, as `tail -F` does: rotations must lie further apart than `every`,
or a file may come and go unseen; a file cut and filled beyond its old size between two looks only seems
to have grown. A run that another worker begins anew knows nothing of the lines told before.
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
    """Emit `line` with `line` and `number`, counted from 1 in this run, for each line as it is completed.

    A line is cut at 64 KiB; bytes that are no UTF-8 become U+FFFD. While there is no file the task waits for
    it, after one event `waiting`; what comes then is read from its start.
    """

    NAME = 'files/tail'

    def __init__(self, path: str, *, from_start: bool = False, every: float = 0.2) -> None:
        if not SHORTEST_S <= every <= LONGEST_S:
            raise self.Error(f'every is {every:g} s; it must be between 1 ms and a day')
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
            raise self.Error(f'can not read {self.path}: {error.strerror}') from error
        finally:
            self.close()

    def look(self) -> None:
        """Tell what has come since the last look."""
        if self.file is None and not self.open():
            return
        # Asked before reading: once another file has the name, what can be read here is all there will be.
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
        except FileNotFoundError:  # renamed, and no successor yet: its writer may still write to it
            return False
        return not os.path.samestat(there, os.fstat(self.file.fileno()))

    def is_truncated(self) -> bool:
        return os.fstat(self.file.fileno()).st_size < self.file.tell()

    def read(self) -> None:
        while chunk := self.file.read(CHUNK_BYTES):
            *lines, partial = (self.partial + chunk).split(b'\n')
            # Kept no longer than what is told of it: a file without newlines must not fill the memory.
            self.partial = partial[:LINE_BYTES]
            for line in lines:
                self.tell(line)
            gevent.sleep(0)  # a long file must not keep the other greenlets waiting

    def end_line(self) -> None:
        """Tell the last line of a file that will not be continued."""
        if self.partial:
            self.tell(self.partial)
            self.partial = b''

    def tell(self, line: bytes) -> None:
        self.number += 1
        text = line[:LINE_BYTES].removesuffix(b'\r').decode('utf-8', 'replace')
        self.emit('line', {'line': text, 'number': self.number})
