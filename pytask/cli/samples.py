"""The files that `init` writes: samples from this package, and the gallery of tasks.

Nothing is overwritten. In a checkout the gallery is ./tasks; a wheel carries a copy.
"""

from __future__ import annotations

import ast
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import pytask
from pytask.errors import ConfigError, NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

_PACKAGE = Path(pytask.__file__).parent


def sample(name: str) -> str:
    return (_PACKAGE / 'samples' / name).read_text(encoding='utf-8')


def gallery() -> dict[str, Path]:
    """Return the tasks of the gallery by the names of their files: `hello`, `text/count`."""
    copy = _PACKAGE / 'samples' / 'tasks'
    folder = copy if copy.is_dir() else _PACKAGE.parent / 'tasks'
    found = {path.relative_to(folder).with_suffix('').as_posix(): path for path in folder.rglob('*.py')}
    return dict(sorted(found.items()))


def about(path: Path) -> str:
    """Return the first line of a module's docstring, without the module's name."""
    text = (ast.get_docstring(ast.parse(path.read_text(encoding='utf-8'))) or '').partition('\n')[0]
    name, colon, rest = text.partition(': ')
    return rest if colon and ' ' not in name else text


def picked(names: tuple[str, ...]) -> dict[str, str]:
    """Return these tasks of the gallery as files to write. Raises NotFound, with the near names."""
    there = gallery()
    files = {}
    for name in names:
        key = name.removeprefix('tasks/').removesuffix('.py')
        if key not in there:
            near = get_close_matches(key, there, n=1)
            hint = f'did you mean {near[0]}?' if near else f'it has {", ".join(there)}'
            raise NotFound(f'no {name!r} in the gallery; {hint}')
        files[f'tasks/{key}.py'] = there[key].read_text(encoding='utf-8')
    return files


def write(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Write the files that do not exist yet; return their names."""
    written = []
    for name, text in files.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open('x', encoding='utf-8') as file:
                file.write(text)
            written.append(name)
        except FileExistsError:
            if not path.exists():  # there is a file where its folder should be
                raise ConfigError(f'cannot write {path}: {path.parent} is not a folder') from None
        except OSError as error:
            raise ConfigError(f'cannot write {path}: {error.strerror}') from error
    return written
