"""pytask over HTTP: a page, an API with server-sent events, and the surface of one task at a time.

`application` makes the WSGI application; `server` puts it on gevent's own server, for `pytask web` and
`pytask worker --web`. It speaks to the client, and to nothing below it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytask.app.app import PyTask
    from pytask.web.wsgi import Site

    WSGI = Callable[..., Any]

__all__ = ['application', 'mount']


def application(  # noqa: PLR0913 - what may be said of who is let in
    app: PyTask,
    *,
    auth: Callable[[dict[str, Any]], Any] | None = None,
    token: str = '',
    hosts: Sequence[str] = (),
    is_read_only: bool = False,
    exposes_all: bool = False,
) -> Site:
    """Return the web of an app, as a WSGI application: for `mount`, or for a server of your own.

    `auth` is called with the WSGI environment of each request: what it returns tells whether that one is let in, or
    which roles it has (`'read'`, `'start'`, `'control'`, `'remove'`; one, or a set). With a `token`, who
    shows it is let in, too; both may come from the app and its settings instead. `hosts` are names by which it is
    called, besides those of this machine. Raises ConfigError where nobody could be let in, for a coroutine
    function, and for a token that could be guessed.
    """
    from pytask.web.access.guard import Guard
    from pytask.web.wsgi import Site

    settings = app.settings
    guard = Guard(
        auth=auth or app.web_auth,
        token=token or settings.web_token,
        hosts=[*hosts, *settings.web_hosts],
        is_read_only=is_read_only or settings.web_read_only,
    )
    return Site(app, guard, exposes_all=exposes_all)


def mount(other: WSGI, path: str, site: WSGI) -> WSGI:
    """Return a WSGI application that serves `site` below a path, as `/tasks`, and another one elsewhere."""
    path = f'/{path.strip("/")}' if path.strip('/') else ''

    def both(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        asked, root = environ.get('PATH_INFO', ''), environ.get('SCRIPT_NAME', '') + path
        if asked != path and not asked.startswith(f'{path}/'):
            return other(environ, start_response)
        if asked == path and environ['REQUEST_METHOD'] in ('GET', 'HEAD'):  # what the page asks for is below it
            return _moved(f'{quote(root)}/', environ.get('QUERY_STRING', ''), start_response)
        return site({**environ, 'SCRIPT_NAME': root, 'PATH_INFO': asked[len(path) :] or '/'}, start_response)

    return both


def _moved(path: str, query: str, start_response: Callable[..., Any]) -> list[bytes]:
    where = f'{path}?{query}' if query else path
    start_response('302 Found', [('Location', where), ('Content-Length', '0'), ('Cache-Control', 'no-store')])
    return []
