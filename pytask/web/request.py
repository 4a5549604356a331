"""A request, its answer, and its problems: a thin layer over WSGI."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote

import msgspec

from pytask.core.codec import encode

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_BODY_BYTES = 1024 * 1024
# Deeper JSON is an attack on the code that walks through it.
MAX_DEPTH = 64
MAX_FIELDS = 50
JSON, TEXT, PROBLEM = 'application/json', 'text/plain; charset=utf-8', 'application/problem+json'
SAFE = frozenset({'GET', 'HEAD', 'OPTIONS'})

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: bytes, or an iterable that yields them as they come."""

    body: bytes | Iterable[bytes] = b''
    code: int = 200
    kind: str = JSON
    headers: Headers = ()


def as_json(value: Any, code: int = 200, headers: Headers = ()) -> Answer:
    return Answer(encode(value), code, JSON, headers)


def created(request: Request, path: str, run_id: str, value: Any) -> Answer:
    """Answer 201, with the location of what was created: `path` with the id put in."""
    where = request.root + path.format(quote(run_id, safe=''))
    return as_json(value, 201, (('Location', where),))


class Problem(Exception):
    """Becomes the answer, in the format of RFC 9457. `errors` are (path, message), all of them at once."""

    def __init__(
        self, code: int, detail: str, *, errors: Iterable[tuple[str, str]] = (), headers: Headers = ()
    ) -> None:
        super().__init__(detail)
        self.code, self.detail, self.errors, self.headers = code, detail, list(errors), headers

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            'type': 'about:blank', 'title': HTTPStatus(self.code).phrase, 'status': self.code,
            'detail': self.detail,
        }  # fmt: skip
        if self.errors:
            found['errors'] = [{'path': path, 'message': message} for path, message in self.errors]
        return found


class Request:
    """One request, read from a WSGI environment; its body is read on demand."""

    def __init__(self, environ: dict[str, Any]) -> None:
        self.environ = environ
        self.method: str = environ['REQUEST_METHOD']
        self.root: str = environ.get('SCRIPT_NAME', '')
        self.path = _text(environ.get('PATH_INFO', ''))

    def header(self, name: str) -> str:
        value: str = self.environ.get(f'HTTP_{name.upper().replace("-", "_")}', '')
        return value

    @property
    def address(self) -> str:
        """The client's IP address."""
        return str(self.environ.get('REMOTE_ADDR', ''))

    @property
    def is_safe(self) -> bool:
        return self.method in SAFE

    def cookie(self, name: str) -> str:
        """Return the value of a cookie; cookies of other sites on this host may be malformed."""
        for pair in self.header('cookie').split(';'):
            key, _, value = pair.partition('=')
            if key.strip() == name:
                return value.strip().strip('"')
        return ''

    def query(self) -> dict[str, str]:
        try:
            return dict(parse_qsl(self.environ.get('QUERY_STRING', ''), max_num_fields=MAX_FIELDS))
        except ValueError:
            raise Problem(400, f'the query has more than {MAX_FIELDS} fields') from None

    def data(self) -> dict[str, Any]:
        """Return the JSON object in the body, {} if it is empty. Raises Problem."""
        raw = self._body()
        if not raw:
            return {}
        kind = self.environ.get('CONTENT_TYPE', '').partition(';')[0].strip().lower()
        if kind != JSON:  # which a form on another site cannot send
            raise Problem(415, f'the body must be JSON, with Content-Type: {JSON}')
        try:
            decoded = msgspec.json.decode(raw)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise Problem(400, f'the body is not JSON: {error}') from None
        if not isinstance(decoded, dict):
            raise Problem(400, 'the body must be a JSON object')
        if _is_deeper(decoded, MAX_DEPTH):
            raise Problem(400, f'the body is nested more than {MAX_DEPTH} levels deep')
        return decoded

    def _body(self) -> bytes:
        try:
            length = int(self.environ.get('CONTENT_LENGTH') or 0)
        except ValueError:
            raise Problem(400, 'Content-Length is not a number') from None
        if length > MAX_BODY_BYTES:
            raise Problem(413, f'the body is larger than {MAX_BODY_BYTES:,} bytes')
        is_chunked = self.header('transfer-encoding').lower() == 'chunked'
        if not length and not is_chunked:
            return b''
        if self.header('content-encoding') not in ('', 'identity'):
            raise Problem(415, 'the body must not be compressed')
        return self._read(MAX_BODY_BYTES + 1 if is_chunked else length)

    def _read(self, size: int) -> bytes:
        parts, got = [], 0
        try:
            while got < size and (part := self.environ['wsgi.input'].read(size - got)):
                parts.append(part)
                got += len(part)
        except OSError:
            raise Problem(408, 'the body did not arrive in time, or is malformed') from None
        if got > MAX_BODY_BYTES:
            raise Problem(413, f'the body is larger than {MAX_BODY_BYTES:,} bytes')
        return b''.join(parts)


def _text(raw: str) -> str:
    try:
        return raw.encode('latin-1').decode()
    except UnicodeError:
        raise Problem(400, 'the path is not UTF-8') from None


def _is_deeper(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True
