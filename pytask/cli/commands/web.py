"""`web`: serves the page and the API in a process of its own."""

from __future__ import annotations

import click

from pytask.cli.options import common, load_tasks, make_app, tasks_option


@click.command()
@click.argument('address', metavar='[ADDR]', default='')
@tasks_option
@click.option('--read-only', is_flag=True, help='Only show; allow no changes.')
@common
def web(*, address: str, read_only: bool) -> None:
    """Serve the page and the HTTP API until SIGTERM or Ctrl-C; print the URL to open.

    ADDR is host:port, or a port of this machine; the default is the setting `web`, else 8275. To serve other
    machines it needs a token (PYTASK_WEB_TOKEN), or an app that decides who has access (@app.auth).

    It can start tasks with EXPOSE = True and those in the setting `expose`; it shows the runs of all tasks.
    """
    from pytask.web.server import until_told
    from pytask.web.serving import DEFAULT, open_web

    named = {'web': address} if address else {}
    if not address and not make_app().settings.web:
        named = {'web': DEFAULT}
    app = make_app(**named, **({'web_read_only': True} if read_only else {}))
    load_tasks(app, is_needed=False)
    app.client.store.ping()
    site, url = open_web(app)
    with until_told() as over, site:
        click.echo(f'web     {url}')
        over.wait()
