"""What a worker needs of the app whose runs it executes. `PyTask` is one; the worker does not import it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from pytask.schema.lookups import Resolvers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from pytask.authoring.registry import Registry
    from pytask.config.settings import Settings
    from pytask.core.run import Run
    from pytask.schedules.schedule import Declared


class Application(Resolvers, Protocol):
    """An app as its worker sees it: settings, tasks and hooks."""

    settings: Settings
    registry: Registry
    local_tasks: list[tuple[str, dict[str, Any]]]
    end_handler: Callable[[Run], Any] | None
    start_hooks: list[Callable[..., Any]]
    stop_hooks: list[Callable[..., Any]]
    exception_hooks: list[Callable[[Any, BaseException | None], Any]]
    provide_context: Callable[[], AbstractContextManager[Any]] | None

    @property
    def url(self) -> str: ...
    @property
    def client(self) -> Any: ...
    @property
    def schedules(self) -> Mapping[str, Declared]: ...
    def bind(self, worker: Any) -> None: ...
    def close_resources(self) -> None: ...
