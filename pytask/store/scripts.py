"""Loads `lua/*.lua`, one command a file, and calls them.

A script's header is its contract: `KEYS` and `ARGV` name its parameters, which the loader turns into
locals; `...` after ARGV means the rest are items, from index `rest` on. `include` puts shared bodies
in front. KEYS are found by name in `Keys`; a call gives only those that vary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytask.core.fields import text
from pytask.store.lua_source import NAMES, _source

if TYPE_CHECKING:
    from pytask.store.connection.database import Database
    from pytask.store.keys import Keys


class Script:
    """A script bound to a database and its key names."""

    def __init__(self, db: Database, keys: Keys, name: str) -> None:
        self.source = _source(name)
        self._db = db
        self._fixed = [getattr(keys, key, None) for key in self.source.keys]

    def __call__(self, *argv: Any, **keys: str) -> Any:
        """Run it. Raises Unavailable; a script that the server has forgotten is loaded again."""
        return self._db.pipe([self.command(*argv, **keys)])[0]

    def answer(self, *argv: Any, **keys: str) -> str:
        """Run it, and return its answer as text. Raises Unavailable."""
        return text(self(*argv, **keys))

    def command(self, *argv: Any, **keys: str) -> tuple[Any, ...]:
        """Return the call as a command, for a pipeline."""
        names = self._fixed
        if keys:
            names = [keys.get(name, fixed) for name, fixed in zip(self.source.keys, self._fixed, strict=True)]
        return ('EVALSHA', self.source.sha, len(names), *names, *argv)


class Scripts:
    """All scripts of a store, as attributes."""

    def __init__(self, db: Database, keys: Keys) -> None:
        self._all = {name: Script(db, keys, name) for name in NAMES}

    def __getattr__(self, name: str) -> Script:
        try:
            return self._all[name]
        except KeyError:
            raise AttributeError(name) from None
