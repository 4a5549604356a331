"""The tasks of an app."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytask.app.hooks import Hooks
from pytask.authoring.registry import Registry

if TYPE_CHECKING:
    from pytask.authoring.task import Task


class AppTasks(Hooks):
    """The tasks of an app, by name. They can use its resources and resolvers, which are among the hooks."""

    def __init__(self) -> None:
        super().__init__()
        self.registry = Registry(self)

    def add_task(self, task: Any) -> type[Task]:
        """Add a Task class or a decorated function; adding it again changes nothing. Raises ConfigError."""
        added = self.registry.add(task)
        added.pytask_app = self
        return added

    def task(self, target: Any = None, /, **policy: Any) -> Any:
        """Decorate a function or a class: `@app.task`, or `@app.task(queue='mail')`."""
        from pytask.authoring.decorator import task

        if target is None:
            return lambda target: self.task(target, **policy)
        made = task(**policy)(target) if policy else task(target)
        self.add_task(made)
        return made

    def discover(self, folder: str | Path) -> None:
        """Add every task below a folder. Raises ConfigError."""
        known = set(self.registry)
        self.registry.discover(Path(folder))
        for task in set(self.registry) - known:
            task.pytask_app = self
