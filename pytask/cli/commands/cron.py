"""`cron`: lists schedules, tells when they fire, runs them by hand, pauses them."""

from __future__ import annotations

from datetime import UTC, datetime
from shlex import quote
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from pytask.cli.commands.completion import schedule_names
from pytask.cli.commands.control import report
from pytask.cli.options import HelpGroup, client, command_name, common, is_json, together
from pytask.cli.output import formatting
from pytask.core.clock import wall_ms, wall_s

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytask.client.client import Client
    from pytask.schedules.schedule import Schedule
    from pytask.schedules.triggers import Trigger

NOTES = {
    'cron': 'crontab text: minute hour day month weekday; 0 is Sunday; of day and weekday one must match',
    'fields': 'fields: day_of_week 0 is Monday; all must match',
}


@click.group(cls=HelpGroup)
@common
def cron() -> None:
    """List schedules and when they fire; run, pause and resume them.

    Schedules are declared in code: `@app.cron('*/5 * * * *')`, `@app.date('2026-11-30')`, `@app.every(30)`. Workers
    store them in Redis when they start, and any worker fires them.
    """


@cron.command()
@common
def ls() -> None:
    """List the schedules; the next to fire comes first."""
    head = ('NAME', 'TASK', 'TRIGGER', 'ZONE', 'NEXT', 'LAST', '')
    empty = 'no schedules; declare one in code with @app.every(30), then start a worker of that app'
    formatting.listing(client().schedules(), head, _cells, empty)


@cron.command('next')
@click.argument('words', nargs=-1, required=True, metavar='NAME|CRONTAB|FIELD=…', shell_complete=schedule_names)
@click.option('--tz', metavar='ZONE', help="Time zone, such as Europe/Berlin. Default: this machine's.")
@click.option(
    '--count', '-n', type=click.IntRange(1, 1000), default=5, show_default=True, metavar='N', help='How many.'
)
@common
def next_(words: tuple[str, ...], tz: str | None, count: int) -> None:
    """Print the next times of a schedule, crontab text or fields.

    `pytask cron next '*/5 9-17 * * mon-fri'`, `cron next day='3rd fri' hour=0-3`, `cron next nightly`.
    """
    trigger, first_ms, why_not = _trigger(words, tz)
    if first_ms is None:
        formatting.say(why_not)
        return
    for at_ms in _firings(trigger, first_ms, count):
        at = datetime.fromtimestamp(at_ms / 1000, UTC)
        if is_json():
            formatting.json_line({'at': at_ms / 1000, 'utc': at.isoformat()})
        else:
            click.echo(at.astimezone(ZoneInfo(trigger.tz or 'UTC')).strftime('%Y-%m-%d %H:%M:%S %z  %a'))
    if note := NOTES.get(next(iter(trigger.to_json()))):
        formatting.say(f'{note}; zone {trigger.tz}')


@cron.command()
@click.argument('name', shell_complete=schedule_names)
@common
def run(name: str) -> None:
    """Start a run of a schedule now, and print its id. Its next time does not change."""
    formatting.print_id(client().run_schedule(name))


_naming = together(
    common, click.argument('names', metavar='NAME...', nargs=-1, required=True, shell_complete=schedule_names)
)


@cron.command()
@_naming
def pause(names: tuple[str, ...]) -> int:
    """Pause schedules until they are resumed, even across restarts and deploys."""
    asked = _asked(names)
    return report({name: asked.pause_schedule(name) for name in names})


@cron.command()
@_naming
def resume(names: tuple[str, ...]) -> int:
    """Resume paused schedules. Times that they missed are not made up for."""
    asked = _asked(names)
    return report({name: asked.resume_schedule(name) for name in names})


@cron.command()
@_naming
def rm(names: tuple[str, ...]) -> int:
    """Delete schedules that were removed from the code; `refused` while a live worker still declares them."""
    asked = _asked(names)
    answers = {name: asked.remove_schedule(name) for name in names}
    if 'refused' in answers.values():
        formatting.say(f'a live worker declares it; pause it instead: {command_name()} cron pause NAME')
    return report(answers)


def _asked(names: tuple[str, ...]) -> Client:
    """Return the client if all of these schedules exist. Raises NotFound, with the near names."""
    asked = client()
    for name in names:
        asked.schedule(name)
    return asked


def _trigger(words: tuple[str, ...], tz: str | None) -> tuple[Trigger, int | None, str]:
    """Read a schedule's name, crontab text or fields. Return its first time too, or None and why it has none."""
    stored = _stored(' '.join(words))
    if stored is None:
        trigger = _written(words, tz)
        return trigger, trigger.first_ms(wall_ms()), f'{trigger} never fires again'
    found, trigger = stored
    if tz:
        zone = f' ({found.tz})' if found.tz else ''
        text = f'--tz is for crontab text and fields; schedule {found.name!r} has its own zone{zone}'
        raise click.UsageError(text)
    return trigger, None if found.next_at is None else round(found.next_at * 1000), _why_not(found)


def _stored(text: str) -> tuple[Schedule, Trigger] | None:
    """Return the schedule of exactly this name; None for crontab text and fields. Raises NotFound."""
    from pytask.errors import ConfigError, NotFound, Unavailable
    from pytask.schedules.schedule import read_trigger

    if ' ' in text:
        return None
    try:
        asked = client()
        found = asked.schedule(text)
    except (NotFound, Unavailable, ConfigError):
        if '=' in text or '@' in text:  # crontab text and fields need neither an app nor Redis
            return None
        raise
    return found, read_trigger(asked.store.schedules.trigger(text))


def _why_not(schedule: Schedule) -> str:
    name = f'schedule {schedule.name!r}'
    if schedule.is_paused:
        return f'{name} is paused; resume it with: {command_name()} cron resume {quote(schedule.name)}'
    if schedule.missed:
        return f'{name} never fires: {schedule.trigger} was already past when it was declared'
    return f'{name} is done: it fired {_ago(schedule.last_at) or "for the last time"} and never fires again'


def _written(words: tuple[str, ...], tz: str | None) -> Trigger:
    from pytask.errors import ConfigError
    from pytask.schedules.cron import Crontab, Fields

    text = ' '.join(words)
    try:
        are_fields = all('=' in word for word in words)
        return Fields(dict(w.split('=', 1) for w in words), tz=tz) if are_fields else Crontab(text, tz=tz)
    except ConfigError as error:
        hint = '\n  - the shell expands *; put the text in quotes' if len(words) > 6 else ''
        raise click.UsageError(f'{error}{hint}') from None


def _firings(trigger: Trigger, at_ms: int | None, count: int) -> Iterator[int]:
    for _ in range(count):
        if at_ms is None:
            return
        yield at_ms
        at_ms = trigger.next_ms(at_ms, at_ms)


def _cells(s: Schedule) -> tuple[str, ...]:
    return s.name, s.task, s.trigger, s.tz, _next(s), _ago(s.last_at), _remark(s)


def _next(schedule: Schedule) -> str:
    if schedule.next_at is None:
        return ''
    left_s = schedule.next_at - wall_s()
    return f'in {formatting.span(left_s)}' if left_s > 0 else 'now'


def _ago(at: float | None) -> str:
    return '' if at is None else f'{formatting.span(wall_s() - at)} ago'


def _remark(schedule: Schedule) -> str:
    said = {
        'missed': schedule.missed,
        'paused': schedule.is_paused,
        'no worker declares it': not schedule.is_declared,
        'done': schedule.next_at is None and schedule.last_at is not None and not schedule.is_paused,
    }
    return '; '.join(text for text, is_so in said.items() if is_so)
