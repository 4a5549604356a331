"""Lookups: the data holds a name, and the task receives the object of that name in its worker.

`resource(…)` is a resource of the app by its name; `reference(…)` is what a resolver of the app makes of a text.
Both are written in place of a default, in a signature or a class. Names are checked early if this process knows
them; the objects are made in the worker, once for each run, before its `start`.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pytask.schema.notgiven import NotGiven
from pytask.schema.problems import Misfit, shown
from pytask.schema.value_types import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

UNSAID = (NotGiven, None, '')
NOTHING = (*UNSAID, '_')


@dataclass(frozen=True, slots=True)
class Resolver:
    """Makes objects from text. `default` replaces a missing optional reference; if callable, it is called."""

    function: Callable[[str], Any]
    default: Any = NotGiven


class ResourceNames(Protocol):
    """The resources of an app, as far as their names go."""

    def names(self, kind: str | None = None) -> Iterable[str]: ...


class Resolvers(Protocol):
    """What makes objects of names: an app."""

    @property
    def resources(self) -> ResourceNames: ...
    @property
    def resolvers(self) -> dict[str, Resolver]: ...
    def resource(self, name: str) -> Any: ...


class Lookup(Kind):
    """What both have in common. `hooks` is the app, or None."""

    hooks: Resolvers | None = None
    required: bool

    def of(self, hooks: Resolvers | None) -> Lookup:
        """Return this lookup bound to an app."""
        mine = copy.copy(self)
        mine.hooks = hooks
        return mine

    def find(self, value: Any) -> Any:
        """Return what the task receives; `value` is NotGiven if the data has none. Raises Misfit."""
        raise NotImplementedError


class ResourceInput(Lookup):
    """A resource of the app, of one of these types and names; without types or names, any."""

    def __init__(self, types: Sequence[str], names: Sequence[str], *, required: bool) -> None:
        self.types, self.names, self.required = types, names, required

    def convert(self, value: Any) -> Any:
        if not self.required and value in UNSAID:
            return value
        there = self._there()
        if not isinstance(value, str):
            raise Misfit(('', f'must be the name of a resource, not {shown(value)}{_listed(there)}'))
        if value not in there and (there or value not in (self.names or [value])):
            raise Misfit(('', f'is not a resource of this app: {shown(value)}{_listed(there or self.names)}'))
        return value

    def find(self, value: Any) -> Any:
        if value in UNSAID:
            return NotGiven
        if self.hooks is None or value not in self._there():
            raise Misfit(
                ('', f'is not a resource of this app: {shown(value)}{_listed(self._there(), "there are none")}')
            )
        return self.hooks.resource(value)

    def missing(self) -> str:
        return f'is missing{_listed(self._there() or self.names)}'

    def schema(self) -> Any:
        there = self._there() or list(self.names)
        return {'type': 'string', 'enum': there} if there else {'type': 'string'}

    def _there(self) -> list[str]:
        if self.hooks is None:
            return []
        kinds: Sequence[str | None] = self.types or [None]
        found = {name for kind in kinds for name in self.hooks.resources.names(kind)}
        return sorted(name for name in found if not self.names or name in self.names)


class ReferenceInput(Lookup):
    """What the resolver of a name makes from a text; resolver `name/scheme` takes texts such as `scheme:rest`."""

    def __init__(self, name: str, *, required: bool) -> None:
        self.name, self.required = name, required

    def convert(self, value: Any) -> Any:
        if self.required and value in NOTHING:
            raise Misfit(('', f'is missing: a reference to {self.name}'))
        if self._knows():
            self._choose(value)
        return value

    def find(self, value: Any) -> Any:
        if value in NOTHING:
            return self._default()
        resolver, text = self._choose(value)
        return value if resolver is None else resolver.function(text)

    def _choose(self, value: Any) -> tuple[Resolver | None, str]:
        """Return the resolver for a value (None if it is not text) and the text to give it."""
        if not isinstance(value, str):
            return None, ''
        schemes = self._schemes()
        scheme, colon, rest = value.partition(':')
        if colon and schemes:
            if scheme not in schemes:
                raise Misfit(('', f'has no known scheme: {shown(value)}{_listed(schemes)}'))
            return schemes[scheme], rest
        plain = self._known().get(self.name)
        if plain is None:
            raise Misfit(('', f'has no resolver: {shown(value)}{_listed(schemes, self._remedy())}'))
        return plain, value

    def _default(self) -> Any:
        resolver = self._known().get(self.name)
        default = NotGiven if resolver is None else resolver.default
        return default() if callable(default) else default

    def _known(self) -> dict[str, Resolver]:
        return {} if self.hooks is None else self.hooks.resolvers

    def _schemes(self) -> dict[str, Resolver]:
        known = self._known()
        head = f'{self.name}/'
        return {name.removeprefix(head): known[name] for name in sorted(known) if name.startswith(head)}

    def _knows(self) -> bool:
        return self.name in self._known() or bool(self._schemes())

    def _remedy(self) -> str:
        return f'app.add_resolver({self.name!r}, …) adds one'


def resource(types: str | Sequence[str] = (), names: str | Sequence[str] = (), *, required: bool = True) -> Any:
    """Declare an input that is a resource of the app: the data has its name, the task gets the object.

    `types` and `names` restrict which ones, each one or several. An optional input that is missing, null or ''
    is NotGiven.
    """
    return ResourceInput(_several(types), _several(names), required=required)


def reference(name: str, *, required: bool = True) -> Any:
    """Declare an input that a resolver, `app.add_resolver(name, …)`, makes from a text.

    Other JSON is passed unchanged. An optional one that is missing, '' or '_' gets the resolver's default.
    """
    return ReferenceInput(name, required=required)


def _several(words: str | Sequence[str]) -> Sequence[str]:
    return (words,) if isinstance(words, str) else words


def _listed(names: Iterable[str], otherwise: str = '') -> str:
    listed = ', '.join(names)
    return f'; there are: {listed}' if listed else f'; {otherwise}' if otherwise else ''
