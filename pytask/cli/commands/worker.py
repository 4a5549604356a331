"""`worker` and `dev`: the two commands that run greenlets; `__main__` has patched the process for them."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from pytask.cli.options import (
    chosen_here,
    command_name,
    common,
    given,
    load_tasks,
    make_app,
    option,
)
from pytask.config.settings import chosen


@click.command()
@option('--tasks', metavar='DIR', help='Folder of tasks. Default: ./tasks.')
@option('--queue', '-q', metavar='NAME', multiple=True, help='Queues to serve. Default: default.')
@option('--concurrency', '-c', type=int, metavar='N', help='How many runs at a time. Default: 1000.')
@option('--lease', type=float, metavar='SECONDS', help='Length of a lease; the same for all workers. Default: 15.')
@option('--drain', type=float, metavar='SECONDS', help='At shutdown, let runs finish so long. Default: 10.')
@option(
    '--max-hang', type=float, metavar='SECONDS', help='End a worker that does not turn for so long. Default: 600.'
)
@option('--max-memory', type=int, metavar='MIB', help='Claim nothing from so much memory on. Default: its limits.')
@option('--no-restart', is_flag=True, help='Exit with 75 where this process is to be replaced by a new one.')
@option('--name', metavar='NAME', help='Name of this worker. Default: the host.')
@option(
    '--health', metavar='ADDR', help='Serve /live, /ready, /metrics there: host:port, or a port of this machine.'
)
@option(
    '--web', metavar='ADDR', help='Serve the page and the HTTP API there: host:port, or a port of this machine.'
)
@click.option('--verbose', '-v', is_flag=True, help='Log successes too.')
@common
def worker(*, verbose: bool) -> int:
    """Run a worker, until SIGTERM or Ctrl-C.

    It knows the tasks of the app that is named, with its hooks and resources, and those of its folder: --tasks,
    else what the app says, else ./tasks where there is one.

    The first signal lets runs finish for --drain seconds, then stops them and gives them back to their
    queues; a second one hurries, a third exits at once.
    """
    from pytask.cli.finding import name_clash
    from pytask.web.serving import web_of
    from pytask.worker.process import run_worker

    name_clash.check()
    app = make_app()
    load_tasks(app, is_needed=True)
    level = logging.DEBUG if verbose or app.is_verbose else logging.INFO
    return run_worker(app, level=level, beside=web_of(app))


@click.command()
@option('--tasks', metavar='DIR', help='Folder of tasks. Default: ./tasks.')
@option('--concurrency', '-c', type=int, metavar='N', help='How many runs at a time. Default: 1000.')
@click.option('--exit', 'exits', is_flag=True, help='End when the demo runs have ended; 0 if they ended well.')
@click.option('--no-demo', is_flag=True, help='Start no demo runs.')
@click.option('--no-web', is_flag=True, help='Serve no page.')
@click.option('--no-reload', is_flag=True, help='Do not start the worker anew when a file was saved.')
@common
def dev(*, exits: bool, no_demo: bool, no_reload: bool, no_web: bool) -> int:
    """Start a Redis of this folder's own, a worker on ./tasks and the demo runs, and show what happens.

    When a file of the tasks, or one that they import from this folder, was saved, the new code takes over: what
    runs is interrupted, keeps its id, and begins again. What does not import is shown, and the old code goes on.

    A demo run is that of a task with a `DEMO`, the data to start it with. The page, at the URL that is printed,
    shows all of it in a browser, and may start every task; it is for this machine alone.
    """
    from pytask.cli.commands.init import offer_first_task
    from pytask.cli.dev.channel import Channel
    from pytask.cli.dev.child import Serving
    from pytask.cli.dev.supervisor import Supervisor
    from pytask.cli.dev.web_socket import PageSocket
    from pytask.cli.finding import apps, name_clash

    channel = Channel.inherited()
    if channel is not None:
        from pytask.cli.dev.worker import follow

        return follow(channel)
    name_clash.check()
    offer_first_task()
    set_ = chosen(chosen_here())
    page = None if no_web or exits else PageSocket(set_.get('web', ('',))[0])  # open as long as this function runs
    how = Serving(not no_demo, reloads=not (exits or no_reload), exits=exits, web=page.message() if page else None)
    tasks = apps.folder_to_watch(set_, command_name())
    return Supervisor(Path.cwd(), tasks, given().get('redis', ''), how).run()
