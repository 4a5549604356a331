"""The page and its modules: the files in `static`, by name; no other path is ever opened."""

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
    """Return the files, as paths relative to the folder."""
    found = (path for path in FOLDER.rglob('*') if path.is_file() and path.suffix in KINDS)
    return frozenset(path.relative_to(FOLDER).as_posix() for path in found)


def serve(name: str, request: Request) -> Answer:
    """Return a file, or 304 if the client has it. Raises Problem."""
    if name not in names():
        raise Problem(404, f'no file {name[:100]}')
    if request.method not in ('GET', 'HEAD'):
        raise Problem(405, 'method not allowed; use GET', headers=(('Allow', 'GET'),))
    path = FOLDER / name
    body = path.read_bytes()
    etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    headers = (('ETag', etag), ('Cache-Control', 'no-cache'))
    is_known = etag in request.header('if-none-match')
    return Answer(b'' if is_known else body, 304 if is_known else 200, KINDS[path.suffix], headers)
