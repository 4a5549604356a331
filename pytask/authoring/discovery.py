"""Import a folder of tasks as a package, without touching `sys.path`."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import sys
import traceback
from typing import TYPE_CHECKING, Any

from pytask.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def import_all(folder: Path) -> Iterator[Any]:
    """Import every module below a folder and yield each. Raises ConfigError naming the file that fails."""
    folder = folder.resolve()
    if not folder.is_dir():
        raise ConfigError(f'no folder of tasks at {folder}; name one with --tasks')
    root = _package_name(folder)
    yield _guarded(folder / '__init__.py', lambda: _import_root(root, folder))
    # A package's own file first: its errors are reported for it, not for the first module below.
    for path in sorted(
        folder.rglob('*.py'), key=lambda path: (path.parent.parts, path.name != '__init__.py', path)
    ):
        parts = path.relative_to(folder).with_suffix('').parts
        parts = parts[:-1] if parts[-1] == '__init__' else parts
        if not parts or path.is_dir() or any(part.startswith(('.', '__')) for part in parts):
            continue
        name = '.'.join((root, *parts))
        yield _guarded(path, lambda name=name: importlib.import_module(name))


def _package_name(folder: Path) -> str:
    # An app may have imported this folder under a longer name: its tasks must not be imported twice.
    names = _imported_packages()
    if str(folder) in names:
        return names[str(folder)]
    if str(folder.parent) in names and folder.name.isidentifier():
        return f'{names[str(folder.parent)]}.{folder.name}'
    # If the name is taken, the module that has it must stay importable.
    more = (f'{folder.name}_tasks{n or ""}' for n in itertools.count())
    return next(name for name in itertools.chain([folder.name], more) if _is_free(name, folder))


def _imported_packages() -> dict[str, str]:
    """Return folder → name of the packages that this process has imported; pytask's own are left out."""
    found: dict[str, str] = {}
    for name, module in sorted(sys.modules.items()):
        paths = list(getattr(module, '__dict__', {}).get('__path__') or [])
        # The first counts: a folder without `__init__.py` shares its name with others further down the path.
        if paths and name.partition('.')[0] != 'pytask':
            found.setdefault(str(paths[0]), name)
    return found


def _is_free(name: str, folder: Path) -> bool:
    known = sys.modules.get(name)
    if known is None:
        return name not in sys.stdlib_module_names
    return list(getattr(known, '__path__', [])) == [str(folder)]


def _import_root(name: str, folder: Path) -> Any:
    if name in sys.modules:
        return sys.modules[name]
    if '.' in name.removeprefix(folder.name):  # below a package that is imported
        return importlib.import_module(name)
    init = folder / '__init__.py'
    loader = init if init.exists() else None
    spec = importlib.util.spec_from_file_location(name, loader, submodule_search_locations=[str(folder)])
    if spec is None:
        spec = importlib.util.spec_from_loader(name, loader=None, is_package=True)
        assert spec is not None
        spec.submodule_search_locations = [str(folder)]
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        if spec.loader is not None and init.exists():
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _guarded(path: Path, load: Any) -> Any:
    try:
        return load()
    except (Exception, SystemExit) as error:
        if isinstance(error, OSError) and error.filename == str(path):
            raise ConfigError(
                f'{path} cannot be read: {error.strerror}; check its permissions with ls -l'
            ) from error
        where = ''
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
        if isinstance(error, SyntaxError) and error.filename == str(path):
            where = f':{error.lineno}'
        elif frames:
            where = f':{frames[-1].lineno}'
        raise ConfigError(f'{path}{where} does not import: {type(error).__name__}: {error}') from error
