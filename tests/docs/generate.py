"""Writes the pages that come from code, docs/generated/*.rst: `bin/docs --write`. A test compares them."""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from pathlib import Path
from typing import get_type_hints

import click

from pytask.cli import cli
from pytask.config import settings

FOLDER = Path(__file__).parents[2] / 'docs' / 'generated'
NOTE = '.. Written by bin/docs --write; a test compares it with the code.\n'
# Above this a limit is only a guard against slips.
LARGE = 1_000_000_000
SHARED = ('--redis', '--prefix', '--json', '--help')


def pages():
    return {'settings.rst': NOTE + settings_text(), 'cli.rst': NOTE + commands_text()}


# Settings: each field of the class, told by the option of its name, else by the comment above it.


def settings_text():
    comments = comments_above(inspect.getsource(settings.Settings))
    helps = {name: text for command in ('worker', 'dev') for name, text in helps_of(command).items()}
    types = get_type_hints(settings.Settings)
    text = ''
    for field in dataclasses.fields(settings.Settings):
        key = field.name.removesuffix('_s')
        flag = f'--{key.replace("_", "-")}'
        about = [helps.get(flag) or comments.get(field.name, '')]
        if key in settings._RANGES:
            about.append(range_of(*settings._RANGES[key]))
        facts = [kind_of(types[field.name]), f'default {shown(field.default)}', f'``PYTASK_{key.upper()}``']
        facts += [f'``{flag}``'] if flag in helps else []
        text += f'\n``{key}``\n    {plain(" ".join(filter(None, about)))}\n\n    {", ".join(facts)}\n'
    return text


def comments_above(source):
    """Return {field: comment}; a comment holds until the next one, or a field that an option tells of."""
    found, comment, is_open = {}, [], False
    for line in source.splitlines():
        if match := re.match(r'    # (.*)', line):
            comment = [*comment, match[1]] if is_open else [match[1]]
            is_open = True
        elif match := re.match(r'    (\w+): ', line):
            found[match[1]], is_open = ' '.join(comment), False
    return found


def helps_of(name):
    command = cli.get_command(click.Context(cli), name)
    return {option.opts[0]: option.help or '' for option in command.params if isinstance(option, click.Option)}


def range_of(lowest, highest, unit):
    top = f' to {highest:,g}' if highest < LARGE else ''
    return f'At least {lowest:,g}{unit}.' if not top else f'From {lowest:,g}{top}{unit}.'


def kind_of(kind):
    words = {float: 'number', int: 'whole number', bool: 'true or false', str: 'text', str | None: 'text'}
    return words.get(kind, 'list of texts, in the environment with commas between')


def shown(default):
    if default in (None, '', ()):
        return 'none'
    texts = {tuple: ','.join, bool: lambda value: str(value).lower(), float: '{:.15g}'.format}
    return f'``{texts.get(type(default), str)(default)}``'


# Commands: each of the tree, with its options and arguments.


def commands_text():
    context = click.Context(cli, info_name='pytask')
    shared = [option for option in cli.params if option.opts[0] in SHARED]
    text = '\nOptions of every command, before and after its name:\n' + options_text(shared)
    return text + ''.join(command_text(command, here) for command, here in tree(cli, context))


def tree(group, context):
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        here = click.Context(command, info_name=name, parent=context)
        yield command, here
        if isinstance(command, click.Group):
            yield from tree(command, here)


def command_text(command, context):
    title = context.command_path
    pieces = command.collect_usage_pieces(context)
    if isinstance(command, click.Group):
        pieces = ['[OPTIONS]', '[COMMAND]' if command.invoke_without_command else 'COMMAND', '[ARGS]...']
    usage = ' '.join([title, *pieces])
    own = [p for p in command.params if isinstance(p, click.Option) and p.opts[0] not in SHARED and not p.hidden]
    about = '\n\n'.join(' '.join(part.split()) for part in inspect.cleandoc(command.help or '').split('\n\n'))
    body = f'\n\n{title}\n{"-" * len(title)}\n\n.. code:: text\n\n    {usage}\n\n{plain(about)}\n'
    return body + options_text(own)


def options_text(options):
    return ''.join(f'\n``{names_of(option)}``\n    {plain(about_option(option))}\n' for option in options)


def names_of(option):
    """Return how an option is written; not by click, whose versions differ in it."""
    names = ', '.join(sorted([*option.opts, *option.secondary_opts], key=len))
    if option.is_flag:
        return names
    if isinstance(option.type, click.Choice):
        return f'{names} [{"|".join(map(str, option.type.choices))}]'
    return f'{names} {option.metavar or option.type.name.upper()}'


def about_option(option):
    shown_too = f' Default: {option.default}.' if option.show_default else ''
    return f'{option.help or ""}{shown_too}'


def plain(text):
    """Make text that is written for a terminal fit for reStructuredText."""
    parts = re.split(r'(`[^`]+`)', text.replace('\b\n', ''))
    return ''.join(f'`{part}`' if part[:1] == '`' else re.sub(r'([*|\\])', r'\\\1', part) for part in parts)


def main():
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text)
    for path in FOLDER.glob('*.rst'):
        if path.name not in pages():
            path.unlink()


if __name__ == '__main__':
    sys.exit(main())
