"""The page and its modules: the files of `static`, by name; no other path is ever opened."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pytask.web.request import TEXT, Answer, Problem

if TYPE_CHECKING:
    from pytask.web.request import Request

FOLDER = Path(__file__).parent / 'static'
KINDS = {
    '.html': 'text/html; charset=utf-8',
    '.js': 'text/javascript; charset=utf-8',
    '.css': 'text/css; charset=utf-8',
    '.svg': 'image/svg+xml',
    '.png': 'image/png',
    '.txt': TEXT,
}


@cache
def names() -> frozenset[str]:
    """Return the files there are, as paths below the folder."""
    found = (path for path in FOLDER.rglob('*') if path.is_file() and path.suffix in KINDS)
    return frozenset(path.relative_to(FOLDER).as_posix() for path in found)


def serve(name: str, request: Request) -> Answer:
    """Return a file, or that it has not changed. Raises Problem."""
    if name not in names():
        raise Problem(404, 'there is nothing here')
    if request.method not in ('GET', 'HEAD'):
        raise Problem(405, 'here is GET', headers=(('Allow', 'GET'),))
    path = FOLDER / name
    body = path.read_bytes()
    etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    headers = (('ETag', etag), ('Cache-Control', 'no-cache'))
    if etag in request.header('if-none-match'):
        return Answer(b'', 304, KINDS[path.suffix], headers)
    return Answer(body, 200, KINDS[path.suffix], headers)
