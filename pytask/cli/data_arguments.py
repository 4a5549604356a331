"""Data on the command line: read from `name=text`, `name:=JSON` and `--data`, and written that way again."""

from __future__ import annotations

import json
import re
import shlex
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from pytask.cli.options import command_name
from pytask.cli.output import formatting
from pytask.errors import InputError
from pytask.schema.problems import Misfit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytask.core.run import Run
    from pytask.schema.inputs import Input, Inputs

# Where `pairs` leaves the names whose values are text, for `point_out`.
_TEXTS = 'pytask.texts'
# How much of bad JSON is shown on each side of the error.
AROUND = 30
# Longer commands are not worth pasting.
LONGEST = 2000
_NOTHING: Any = object()
_KINDS = {dict: 'an object', list: 'a list', bool: 'a boolean', type(None): 'null'}


def taken(command: Any) -> Any:
    """Add `--data` (as `whole`) and `name=text`, `name:=JSON` (as `data`) to a command."""
    whole = click.option('--data', 'whole', metavar='JSON|@FILE|-', help='All data as one JSON object.')
    return whole(click.argument('data', nargs=-1, callback=pairs, metavar='[name=text | name:=JSON]...')(command))


def pairs(ctx: click.Context, param: click.Parameter, words: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    texts = set()
    for word in words:
        name, equals, text = word.partition('=')
        if not equals or not name.rstrip(':'):
            raise click.UsageError(f'{word!r} is not an input; write name=text or name:=JSON', ctx)
        if name.endswith(':'):
            found[name[:-1]] = _json(text, f'{name}={text}' if len(word) <= AROUND else f'{name}=…')
        else:
            found[name] = text
            texts.add(name)
    ctx.meta[_TEXTS] = texts
    return found


def whole_data(text: str | None) -> dict[str, Any]:
    if text is None:
        return {}
    value = _json(_content(text), '--data')
    if not isinstance(value, dict):
        raise click.UsageError('--data must be a JSON object: {"name": value}')
    return value


def _content(text: str) -> str:
    if text == '-':
        if formatting.is_terminal(sys.stdin):
            formatting.say('reading JSON from the terminal; end it with Ctrl-D')
        raw = sys.stdin.buffer.read()
    elif text.startswith('@'):
        try:
            raw = Path(text[1:]).read_bytes()
        except OSError as error:
            raise click.UsageError(f'--data {text}: {error.strerror}') from error
    else:
        return text
    try:
        return raw.decode('utf-8-sig')
    except UnicodeDecodeError as error:
        raise click.UsageError(f'--data {text} is not UTF-8 text: byte {error.start}') from error


def _json(text: str, where: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        why, at = str(error).removeprefix('JSON is malformed: '), len(text)
        with suppress(RecursionError):
            try:
                json.loads(text)  # its errors have a position
            except json.JSONDecodeError as other:
                why, at = other.msg[:1].lower() + other.msg[1:], other.pos
        raise click.UsageError(f'{where} is not JSON: {why}\n{_pointed(text, at)}') from error


def _pointed(text: str, at: int) -> str:
    """Return the part of a text around a position, and a mark below it."""
    start = max(0, at - AROUND)
    shown = ''.join(c if c.isprintable() else ' ' for c in text[start : at + AROUND])
    return f'  {shown}\n  {" " * (at - start)}^'


def check(task: str, data: dict[str, Any], inputs: Inputs | None) -> None:
    """Check data if the task is known, and point out text that looks like JSON.

    Raises InputError; each problem says what was probably meant.
    """
    if inputs is None:
        point_out(data)
        return
    try:
        inputs.bind(data)
    except InputError as error:
        problems = [(name, what + _or_json(name, data, inputs.fields.get(name))) for name, what in error.problems]
        raise InputError(error.task, problems, error.usage) from None
    for name in _texts(data):
        field = inputs.fields.get(name)
        if field is None or field.kind.takes_text:
            _point_out(name, data[name], _meant(data[name]))


def point_out(data: Mapping[str, Any]) -> None:
    """Point out texts that look like a list or an object; of an unknown task, since other text may be meant."""
    for name in _texts(data):
        value = _meant(data[name])
        if isinstance(value, dict | list):
            _point_out(name, data[name], value)


def _point_out(name: str, text: str, value: Any) -> None:
    if value is not _NOTHING:
        kind = _KINDS.get(type(value), 'a number')
        formatting.say(f'note: {formatting.plain(name)} is text; for {kind} write {_word(name, value, text)}')


def _texts(data: Mapping[str, Any]) -> list[str]:
    texts = click.get_current_context().meta.get(_TEXTS, ())
    return [name for name in data if name in texts]


def _or_json(name: str, data: Mapping[str, Any], field: Input | None) -> str:
    """Return a hint if the text would fit as JSON, else ''."""
    value = _meant(data[name]) if field is not None and name in _texts(data) else _NOTHING
    if value is _NOTHING or field is None:
        return ''
    try:
        field.convert(value)
    except Misfit:
        return ''
    return f'; for JSON write {_word(name, value, data[name])}'


def _meant(text: str) -> Any:
    """Return what a text is as JSON, unless that is text too; else _NOTHING."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return _NOTHING
    return _NOTHING if isinstance(value, str) else value


def _word(name: str, value: Any, text: str = '') -> str:
    """Return one argument for a value, quoted for a shell."""
    if isinstance(value, str) and value.isprintable():
        return shlex.quote(f'{name}={value}')
    return shlex.quote(f'{name}:={text.strip() or _ascii(value)}')


def _ascii(value: Any) -> str:
    # Not msgspec: control characters, which a terminal would obey, must be escaped, too.
    return json.dumps(value, ensure_ascii=not json.dumps(value, ensure_ascii=False).isprintable())


def to_run_again(run: Run) -> str:
    """Return the shell command that starts a new run like this one; '' if it would be too long."""
    if not isinstance(run.data, dict) or not run.task.isprintable():
        return ''
    if all(re.fullmatch(r'\w[\w.-]*', name) for name in run.data):
        words = [_word(name, value) for name, value in run.data.items()]
    else:
        words = ['--data', shlex.quote(_ascii(run.data))]
    queue = [] if run.queue == 'default' else ['--queue', shlex.quote(run.queue)]
    command = ' '.join([command_name(), 'run', shlex.quote(run.task), *queue, *words])
    return command if len(command) <= LONGEST and command.isprintable() else ''
