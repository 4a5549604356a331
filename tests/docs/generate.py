"""Writes the parts of docs/ that come from code: settings, commands, the API. A test compares them.

`bin/docs --write` runs this. A part is between two comments on its page, `.. written by bin/docs: api Client` and
`.. end of what bin/docs writes`. It is plain reStructuredText, because GitHub does not run Sphinx.
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import re
import sys
from pathlib import Path
from typing import get_type_hints

import click

import pytask
from pytask import params
from pytask.cli import cli
from pytask.config import settings

DOCS = Path(__file__).parents[2] / 'docs'
PART = re.compile(
    r'(^\.\. written by bin/docs: ([\w .,]+)\n\n)(.*?)(^\.\. end of what bin/docs writes\n)', re.M | re.DOTALL
)
# Above this a limit is only a guard against typos.
LARGE = 1_000_000_000
SHARED = ('--redis', '--prefix', '--app', '--json', '--help')


def pages():
    """Return {path: text} of the pages that have such parts, as the code says now."""
    texts = {path: path.read_text() for path in sorted(DOCS.glob('*.rst'))}
    return {path: PART.sub(_written, text) for path, text in texts.items() if PART.search(text)}


def _written(part):
    return f'{part[1]}{part_text(part[2]).strip()}\n\n{part[4]}'


def part_text(what):
    """Write one part: `settings`, `commands`, or `api NAME… without MEMBER…`."""
    kind, _, rest = what.partition(' ')
    names, _, without = rest.partition(' without ')
    parts = {'settings': settings_text, 'commands': commands_text}
    return parts[kind]() if kind in parts else api_text(names.split(), set(without.split()))


def told():
    """Return the names that parts of the API describe."""
    words = [what.partition(' without ')[0].split() for path in pages() for what in parts_of(path)]
    return {name for kind, *names in words if kind == 'api' for name in names}


def parts_of(path):
    return [found[2] for found in PART.finditer(path.read_text())]


# Settings: each field of the class, described by the option of its name, else by the comment above it.


def settings_text():
    comments = comments_above(inspect.getsource(settings.Settings))
    helps = {name: text for command in ('worker', 'dev') for name, text in helps_of(command).items()}
    types = get_type_hints(settings.Settings)
    text = ''
    for field in dataclasses.fields(settings.Settings):
        key = field.name.removesuffix('_s')
        flag = f'--{key.replace("_", "-")}'
        default = shown(field.default)
        about = helps.get(flag) or comments.get(field.name, '')
        about = [re.sub(r' Default: [\w./]+\.$', '', about) if default else about]
        if key in settings._RANGES:
            about.append(range_of(*settings._RANGES[key]))
        facts = [kind_of(types[field.name]), f'default {default}' if default else '', f'``PYTASK_{key.upper()}``']
        facts += [f'``{flag}``'] if flag in helps else []
        body = f'{plain(" ".join(filter(None, about)))}\n\n    {", ".join(filter(None, facts))}'
        text += f'\n``{key}``\n    {body}\n'
    return text


def comments_above(source):
    """Return {field: comment}; a comment holds until the next one, or a field that an option describes."""
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
    words = {float: 'number', int: 'integer', bool: 'true or false', str: 'string', str | None: 'string'}
    return words.get(kind, 'list of strings')


def shown(default):
    if default in (None, '', ()):
        return ''
    texts = {tuple: ','.join, bool: lambda value: str(value).lower(), float: '{:.15g}'.format}
    return f'``{texts.get(type(default), str)(default)}``'


# Commands: each of the tree, with its options and arguments.


def commands_text():
    context = click.Context(cli, info_name='pytask')
    shared = [option for option in cli.params if option.opts[0] in SHARED]
    commands = list(tree(cli, context))
    contents = ''.join(
        f'* `{here.command_path}`_: {plain(first_sentence(command))}\n' for command, here in commands
    )
    head = '\nAll commands take these options, before or after the name of the command:\n'
    return f'{contents}{head}{options_text(shared)}' + ''.join(command_text(*one) for one in commands)


def first_sentence(command):
    paragraph = ' '.join(inspect.cleandoc(command.help or '').split('\n\n')[0].split())
    return re.split(r'(?<=\w\.) |: ``|: `', paragraph)[0].rstrip('.')


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


# The API: a class that has methods gets a title of its own; everything else is an entry of a list.


def api_text(names, without):
    return ''.join(thing_text(name, without) for name in names)


def thing_text(name, without):
    thing = getattr(params if name in vars(params) else pytask, name)
    documented, bare = members_of(thing, without) if has_title(thing) else ({}, [])
    about = paragraphs(thing, '' if has_title(thing) else '    ')
    if not has_title(thing):
        return f'\n``{name}{"" if is_error(thing) else signature_of(thing)}``\n{about}\n'
    text = f'\n\n{name}\n{"~" * len(name)}\n\n'
    if '__init__' in vars(thing) and not dataclasses.is_dataclass(thing):
        text += f'``{name}{signature_of(thing)}``\n\n'
    text += f'{about}\n' if about else ''
    if values := values_of(thing, without):
        text += f'\n{values}\n'
    text += ''.join(f'\n``{key}``\n{paragraphs(member, "    ")}\n' for key, member in documented.items())
    return text + (f'\nAlso: {", ".join(f"``{key}``" for key in bare)}.\n' if bare else '')


def has_title(thing):
    return inspect.isclass(thing) and not is_error(thing) and not issubclass(thing, params.Parameter)


def is_error(thing):
    return inspect.isclass(thing) and issubclass(thing, BaseException)


def members_of(thing, without):
    """Return {how it is written: member} of the methods and properties, and those that have no docstring."""
    found, order = {}, [name for one in thing.__mro__ for name in vars(one)]
    attributes = [a for a in inspect.classify_class_attrs(thing) if not a.name.startswith('_')]
    for one in sorted(attributes, key=lambda a: order.index(a.name)):
        function = getattr(one.object, '__func__', one.object)
        if one.name in without or not str(one.defining_class.__module__).startswith('pytask'):
            continue
        if isinstance(function, property):
            found[one.name] = function
        elif inspect.isfunction(function):
            found[f'{one.name}{signature_of(function, skip=one.kind != "static method")}'] = function
    return (
        {key: one for key, one in found.items() if inspect.getdoc(one)},
        [key for key, one in found.items() if not inspect.getdoc(one)],
    )


def values_of(thing, without):
    if issubclass(thing, enum.Enum):
        return f'Values: {", ".join(f"``{value}``" for value in thing.__members__)}.'
    fields = getattr(thing, '_fields', None) or [field.name for field in _fields(thing) if field.repr]
    names = [name for name in fields if name not in without]
    return f'Fields: {", ".join(f"``{name}``" for name in names)}.' if names else ''


def _fields(thing):
    return dataclasses.fields(thing) if dataclasses.is_dataclass(thing) else []


def paragraphs(thing, indent):
    """Return a docstring as reStructuredText, without its examples of code."""
    texts = inspect.cleandoc(thing.__doc__ or '').split('\n\n')
    return '\n\n'.join(f'{indent}{plain(" ".join(text.split()))}' for text in texts if not text.startswith(' '))


def signature_of(thing, *, skip=False):
    """Return how something is called, the annotations as they are written: alike on every Python."""
    found = inspect.signature(thing.__init__ if inspect.isclass(thing) else thing)
    given = list(found.parameters.values())[1 if skip or inspect.isclass(thing) else 0 :]
    texts, before = [], inspect.Parameter.POSITIONAL_OR_KEYWORD
    for parameter in given:
        if parameter.kind is parameter.KEYWORD_ONLY and before < parameter.VAR_POSITIONAL:
            texts.append('*')
        texts.append(parameter_text(parameter))
        before = parameter.kind
    back = found.return_annotation
    arrow = '' if back in (found.empty, 'None') or inspect.isclass(thing) else f' -> {back}'
    return f'({", ".join(texts)}){arrow}'


def parameter_text(parameter):
    stars = {parameter.VAR_POSITIONAL: '*', parameter.VAR_KEYWORD: '**'}.get(parameter.kind, '')
    typed = '' if parameter.annotation in (parameter.empty, 'Any') else f': {parameter.annotation}'
    if parameter.default is parameter.empty:
        return f'{stars}{parameter.name}{typed}'
    plain_kinds = (str, int, float, bool, tuple, type(None))
    default = repr(parameter.default) if isinstance(parameter.default, plain_kinds) else '…'
    return f'{parameter.name}{typed} = {default}' if typed else f'{parameter.name}={default}'


def plain(text):
    """Turn text written for a terminal or a docstring into reStructuredText."""
    parts = re.split(r'(`+[^`]+`+)', text.replace('\b\n', ''))
    return ''.join(
        f'``{part.strip("`")}``' if part[:1] == '`' else re.sub(r'([*|\\])', r'\\\1', part) for part in parts
    )


def main():
    for path, text in pages().items():
        path.write_text(text)


if __name__ == '__main__':
    sys.exit(main())
