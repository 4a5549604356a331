"""Calls the scripts of `lua/*.lua`, one command per file.

The header of a script is its contract. `KEYS` and `ARGV` name its parameters, which the loader turns into locals;
`...` after ARGV means that items follow, from index `rest` on. `include` puts shared bodies in front. KEYS are
taken from `Keys` by name; a call passes only those that vary.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytask.core.fields import text
from pytask.store.lua_source import NAMES, _source

if TYPE_CHECKING:
    from pytask.store.connection.database import Database
    from pytask.store.keys import Keys


class Script:
    """A script bound to a database and its keys."""

    def __init__(self, db: Database, keys: Keys, name: str) -> None:
        self.source = _source(name)
        self._db = db
        self._fixed = [getattr(keys, key, None) for key in self.source.keys]

    def __call__(self, *argv: Any, **keys: str) -> Any:
        """Run it, loading it again if the server has forgotten it. Raises Unavailable."""
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
