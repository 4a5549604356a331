"""text/count: count the words of a large file.

    pytask run text/count path=book.txt top=20

Worth learning from: work that would block the worker runs in a native thread, with `self.offload`. The
thread works in chunks, and between two of them checks `self.stopping` and calls `self.progress`; both are
thread-safe. Threads take turns, but one call into C is one turn, so chunks are small.
"""

import os
import string
import time
from codecs import getincrementaldecoder
from collections import Counter
from pathlib import Path

from pytask import Task

CHUNK_BYTES = 64 * 1024
BEAT_S = 0.05  # at most 20 progress events a second
# Longer words are cut, so that a file without blanks does not fill the memory.
WORD_CHARACTERS = 1000


class Count(Task):
    """Count words, lines and bytes of a UTF-8 file, and its most frequent words. Progress is in bytes.

    Words are separated by blanks; punctuation around them and upper case do not count. A line ends in a newline.
    """

    NAME = 'text/count'
    DEMO = {'path': 'README.rst'}

    def __init__(self, path: str, top: int = 10) -> None:
        if top < 0:
            raise self.Error(f'top must not be negative, not {top}')
        self.path, self.top = Path(path), top

    def start(self) -> dict[str, object]:
        if not self.path.is_file():
            raise self.Error(f'no such file: {self.path}')
        try:
            return self.offload(self.count)
        except OSError as error:
            raise self.Error(f'cannot read {self.path}: {error.strerror}') from error

    def stop(self) -> None:
        """Do nothing: the thread checks `self.stopping`, and the output says how far it got.

        Without this method pytask would interrupt `start` at once, and the thread would outlive its run by one
        chunk. With `graceful` a worker's shutdown would also end the run so, and half a count would be a success.
        """

    def count(self) -> dict[str, object]:
        """Run in a native thread: no gevent in here."""
        words: Counter[str] = Counter()
        lines = done = told_at = 0
        rest = ''
        decode = getincrementaldecoder('utf-8')('replace').decode
        with self.path.open('rb', buffering=0) as file:
            size = os.fstat(file.fileno()).st_size  # data added later is not counted
            while not self.stopping.is_set() and (chunk := file.read(min(CHUNK_BYTES, size - done))):
                done += len(chunk)
                lines += chunk.count(b'\n')
                whole, rest = split(rest + decode(chunk))
                words.update(whole)
                if done < size and time.monotonic() >= told_at + BEAT_S:
                    told_at = time.monotonic()
                    self.progress(done, target=size)
        words.update(split(rest + decode(b'', final=True) + ' ')[0])
        self.progress(done, target=size)
        top = [list(pair) for pair in words.most_common(self.top)]
        return {'words': words.total(), 'lines': lines, 'bytes': done, 'top': top}


def split(text: str) -> tuple[list[str], str]:
    """Return the words of a text, and the last one if the next chunk may continue it."""
    words = text.casefold().split()
    rest = ''
    if words and not text[-1].isspace() and len(words[-1]) < WORD_CHARACTERS:
        rest = words.pop()
    bare = (word.strip(string.punctuation) for word in words)
    return [word for word in bare if word], rest
