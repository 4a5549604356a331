"""`worker` and `dev`: the two commands that run a worker; `__main__` has patched its process."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import click

from pytask.cli.options import chosen_here, command_name, common, given, load_tasks, make_app, option, tasks_option
from pytask.config.settings import chosen


def _concurrency(command: Any) -> Any:
    return option('--concurrency', '-c', type=int, metavar='N', help='How many runs at a time. Default: 1000.')(
        command
    )


@click.command()
@tasks_option
@option('--queue', '-q', metavar='NAME', multiple=True, help='Queues to serve. Default: default.')
@_concurrency
@option('--lease', type=float, metavar='SECONDS', help='Length of a lease, the same for all workers. Default: 15.')
@option('--drain', type=float, metavar='SECONDS', help='How long runs may finish at shutdown. Default: 10.')
@option('--max-hang', type=float, metavar='SECONDS', help='Exit if the event loop hangs this long. Default: 600.')
@option('--max-memory', type=int, metavar='MIB', help='Claim no runs above this memory. Default: its memory limit.')
@option('--no-restart', is_flag=True, help='Exit with code 75 if a new process is needed, instead of restarting.')
@option('--name', metavar='NAME', help='Name of this worker. Default: the host name.')
@option(
    '--health', metavar='ADDR', help='Serve /live, /ready and /metrics at host:port, or a port of this machine.'
)
@option('--web', metavar='ADDR', help='Serve the page and the HTTP API at host:port, or a port of this machine.')
@click.option('--verbose', '-v', is_flag=True, help='Log successful runs, too.')
@common
def worker(*, verbose: bool) -> int:
    """Run a worker until SIGTERM or Ctrl-C.

    It knows the tasks of the app, with its hooks and resources, and those in its folder: --tasks, else the app's
    setting, else ./tasks if it exists.

    The first signal lets runs finish for --drain seconds, then stops the rest and requeues them; a second signal
    interrupts them at once, a third exits at once.
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
@tasks_option
@_concurrency
@click.option('--exit', 'exits', is_flag=True, help='Exit when the demo runs have ended; 0 if all succeeded.')
@click.option('--no-demo', is_flag=True, help='Start no demo runs.')
@click.option('--no-web', is_flag=True, help='Serve no page.')
@click.option('--no-reload', is_flag=True, help='Do not reload the code when a file is saved.')
@common
def dev(*, exits: bool, no_demo: bool, no_reload: bool, no_web: bool) -> int:
    """Start a Redis for this folder, a worker on ./tasks and demo runs, and show what happens.

    When you save a task file, or a file in this folder that a task imports, the new code takes over: running runs
    are interrupted and start again with the same id. If it does not import, the error is shown and the old code
    keeps running.

    A demo run is one of a task with a `DEMO`, the data to start it with. The page, at the URL that is printed, can
    start every task; only this machine can open it.
    """
    from pytask.cli.commands.init import offer_first_task
    from pytask.cli.dev.channel import Channel
    from pytask.cli.dev.child import Serving
    from pytask.cli.dev.supervisor import DevSupervisor
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
    return DevSupervisor(Path.cwd(), tasks, given().get('redis', ''), how).run()
