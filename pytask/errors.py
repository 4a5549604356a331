"""The one tree of errors. Their first line says what is wrong, and what to do where that is known."""

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
    """What a task raises, as `self.Error`, to end in state ERROR: expected trouble, told in one line."""


class InputError(PytaskError):
    """Data does not fit a task's inputs. `problems` holds (name, what is wrong) pairs, all of them at once."""

    def __init__(self, task: str, problems: list[tuple[str, str]], usage: str) -> None:
        self.task, self.problems, self.usage = task, problems, usage
        lines = [f'invalid inputs for `{task}`', *(f'  {name}  {what}' for name, what in problems)]
        super().__init__('\n'.join([*lines, f'  usage  {usage}']))


class OutputError(PytaskError):
    """A run has left what its task does not promise. `problems` holds (path, what is wrong) pairs."""

    def __init__(self, task: str, problems: list[tuple[str, str]]) -> None:
        self.task, self.problems = task, problems
        super().__init__(
            '\n'.join([f'`{task}` promises another output', *(f'  {p}  {what}' for p, what in problems)])
        )


class NotFound(PytaskError):
    """There is no such run, worker, task or resource."""


class RunExists(PytaskError):
    """A run with this id was started before, with another task or other data."""


class RunEnded(PytaskError):
    """The run has ended, and hears no message any more. `state` is how."""

    def __init__(self, run_id: str, state: str) -> None:
        self.state = state
        super().__init__(f'run {run_id} has ended: {state}')


class AskError(PytaskError):
    """A running task could not answer, and this says why. `type` is the name of the error it raised."""

    def __init__(self, text: str, kind: str = '') -> None:
        self.type = kind
        super().__init__(text)


class ConfigError(PytaskError):
    """A setting, an app or a task module is wrong; exit code 78."""


class Unavailable(PytaskError):
    """Redis can not serve just now: unreachable, loading, read-only, full, or it refuses us; exit code 69."""


class WaitTimeout(PytaskError, TimeoutError):
    """The run had not ended, or not answered, when the time was over; it goes on."""


class Interrupted(BaseException):
    """Ends a run from outside. Catch it to clean up, then let it pass.

    A BaseException, so that `except Exception` in a task does not swallow a stop. `reason` is one of
    `stop`, `reload`, `timeout`, `shutdown`, `lost`, `failed` where a greenlet it has spawned failed, or `ended`
    in a child greenlet whose run is over.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
