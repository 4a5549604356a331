"""pytask over HTTP: a page, an API with server-sent events, and a small API for one task at a time.

`application` makes a WSGI application; `server` runs it on our own server, for `pytask web` and `pytask worker
--web`. It talks to the client, and to nothing below it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytask.app.app import PyTask
    from pytask.web.wsgi import WebApplication

    WSGI = Callable[..., Any]

__all__ = ['application', 'mount']


def application(  # noqa: PLR0913 - all that decides who has access
    app: PyTask,
    *,
    auth: Callable[[dict[str, Any]], Any] | None = None,
    token: str = '',
    hosts: Sequence[str] = (),
    is_read_only: bool = False,
    exposes_all: bool = False,
) -> WebApplication:
    """Return the web of an app as a WSGI application: for `mount`, or for a server of your own.

    `auth` is called with the WSGI environment of each request; it returns whether that request has access, or the
    roles it has (`'read'`, `'start'`, `'control'`, `'remove'`; one, or a set). A client that shows the `token` has
    access too. Both default to those of the app and its settings. `hosts` are host names it accepts besides those
    of this machine. Raises ConfigError without `auth` and token, for an `auth` that is a coroutine function, and
    for a token that is too short.
    """
    from pytask.web.access.guard import AccessGuard
    from pytask.web.wsgi import WebApplication

    settings = app.settings
    guard = AccessGuard(
        auth=auth or app.web_auth,
        token=token or settings.web_token,
        hosts=[*hosts, *settings.web_hosts],
        is_read_only=is_read_only or settings.web_read_only,
    )
    return WebApplication(app, guard, exposes_all=exposes_all)


def mount(other: WSGI, path: str, site: WSGI) -> WSGI:
    """Return a WSGI application that serves `site` below a path such as `/tasks`, and `other` everywhere else."""
    path = f'/{path.strip("/")}' if path.strip('/') else ''

    def both(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        asked, root = environ.get('PATH_INFO', ''), environ.get('SCRIPT_NAME', '') + path
        if asked != path and not asked.startswith(f'{path}/'):
            return other(environ, start_response)
        if asked == path and environ['REQUEST_METHOD'] in ('GET', 'HEAD'):  # the page's links are relative
            return _moved(f'{quote(root)}/', environ.get('QUERY_STRING', ''), start_response)
        return site({**environ, 'SCRIPT_NAME': root, 'PATH_INFO': asked[len(path) :] or '/'}, start_response)

    return both


def _moved(path: str, query: str, start_response: Callable[..., Any]) -> list[bytes]:
    where = f'{path}?{query}' if query else path
    start_response('302 Found', [('Location', where), ('Content-Length', '0'), ('Cache-Control', 'no-store')])
    return []
