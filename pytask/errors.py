"""The error tree. The first line of each says what is wrong and, where known, what to do."""

from __future__ import annotations

__all__ = [
    'AskError',
    'ConfigError',
    'InputError',
    'Interrupted',
    'NotFound',
    'OutputError',
    'PytaskError',
    'RunEnded',
    'RunExists',
    'TaskError',
    'Unavailable',
    'WaitTimeout',
]


class PytaskError(Exception):
    """The root of all errors raised by pytask."""


class TaskError(PytaskError):
    """Raised by a task, as `self.Error`, to end in state ERROR: an expected failure, explained in one line."""


class InputError(PytaskError):
    """Data does not match a task's inputs. `problems` lists every problem as a pair (name, what is wrong)."""

    def __init__(self, task: str, problems: list[tuple[str, str]], usage: str) -> None:
        self.task, self.problems, self.usage = task, problems, usage
        lines = [f'invalid inputs for `{task}`', *(f'  {name}  {what}' for name, what in problems)]
        super().__init__('\n'.join([*lines, f'  usage  {usage}']))


class OutputError(PytaskError):
    """An output does not match the task's return annotation. `problems` lists pairs (path, what is wrong)."""

    def __init__(self, task: str, problems: list[tuple[str, str]]) -> None:
        self.task, self.problems = task, problems
        head = f'`{task}` returned a value that does not match its return annotation'
        super().__init__('\n'.join([head, *(f'  {path}  {what}' for path, what in problems)]))


class NotFound(PytaskError):
    """No such run, worker, task, schedule, routine or resource exists."""


class RunExists(PytaskError):
    """A run with this id was started before, with another task or other data."""


class RunEnded(PytaskError):
    """The run has ended and receives no more messages. `state` is its end state."""

    def __init__(self, run_id: str, state: str) -> None:
        self.state = state
        super().__init__(f'run {run_id} has ended: {state}')


class AskError(PytaskError):
    """A running task failed to answer; the text says why. `type` names the error that it raised, '' for none."""

    def __init__(self, text: str, kind: str = '') -> None:
        self.type = kind
        super().__init__(text)


class ConfigError(PytaskError):
    """A setting, an app or a task module is wrong; exit code 78."""


class Unavailable(PytaskError):
    """Redis cannot serve: it is unreachable, loading, read-only, full, or refuses access; exit code 69."""


class WaitTimeout(PytaskError, TimeoutError):
    """The run did not end or answer in time. It keeps running."""


class Interrupted(BaseException):
    """Ends a run from outside. Catch it to clean up, then raise it again.

    A BaseException, so that `except Exception` in a task does not swallow a stop. `reason` is one of
    `stop`, `reload`, `timeout`, `shutdown`, `lost`, `failed` (a greenlet that the run spawned has failed) or
    `ended` (in a child greenlet whose run is over).
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
