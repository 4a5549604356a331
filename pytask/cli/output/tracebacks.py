"""Tracebacks for reading: the author's frames in full, library frames only counted.

Only the text is known, which may come from another machine, so a frame's path decides whether it is a library's.
"""

from __future__ import annotations

import re
from itertools import groupby
from pathlib import PurePath

_FRAME = re.compile(r'  File "(.*)", line \d+')
_LIBRARY = re.compile(r'[/\\](?:site|dist)-packages(?=[/\\])|[/\\]lib(?:64)?[/\\]python\d[\d.]*(?=[/\\])|^<frozen ')


def folded(text: str) -> str:
    """Return a traceback with each series of library frames as one line; unchanged if all frames are libraries'."""
    blocks = _blocks(text.rstrip('\n').split('\n'))
    if not any(file and not _LIBRARY.search(file) for file, _ in blocks):
        return text.rstrip('\n')
    lines: list[str] = []
    for is_library, group in groupby(blocks, lambda block: bool(_LIBRARY.search(block[0]))):
        found = list(group)
        if is_library:
            lines.append(_counted([file for file, _ in found]))
        else:
            lines += [line for _, block in found for line in block]
    return '\n'.join(lines)


def _blocks(lines: list[str]) -> list[tuple[str, list[str]]]:
    """Return (file, lines) for each frame, and ('', [line]) for any other line."""
    blocks: list[tuple[str, list[str]]] = []
    for line in lines:
        frame = _FRAME.match(line)
        if frame is None and blocks and blocks[-1][0] and line.startswith(('    ', '  [Previous line')):
            blocks[-1][1].append(line)  # its source, or how often it was repeated
        else:
            blocks.append((frame[1] if frame else '', [line]))
    return blocks


def _counted(files: list[str]) -> str:
    names = ', '.join(dict.fromkeys(map(_library, files)))
    return f'  ... {len(files)} {"frame" if len(files) == 1 else "frames"} of {names}'


def _library(file: str) -> str:
    inside = PurePath(_LIBRARY.split(file)[-1].replace('\\', '/').lstrip('/'))
    return inside.parts[0].removesuffix('.py').strip('<>') if inside.parts else file
