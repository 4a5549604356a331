"""How a task handles one message: which method is called, with which data, and what is answered.

All of it is user code: even finding a method may run some. `hear` is the body of a greenlet that the run owns.
"""

from __future__ import annotations

from difflib import get_close_matches
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

from pytask.authoring.task import Task
from pytask.core.codec import encode
from pytask.core.envelope import MAX_ANSWER_BYTES, method_name
from pytask.core.limits import MAX_WHY
from pytask.errors import InputError, Interrupted, PytaskError
from pytask.schema.signatures import inputs_of_call
from pytask.worker.attempt import forks
from pytask.worker.error_text import describe

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytask.core.envelope import Envelope
    from pytask.schema.inputs import Inputs

ANY = 'on_message'


class Heard(NamedTuple):
    """The result of a message; `answer` is JSON for the asker."""

    answer: bytes
    error: BaseException | None = None


def hear(task: Task, message: Envelope) -> Heard | None:
    """Have a task handle a message; return None if it was interrupted. Never raises."""
    try:
        value = _call_of(task, message)()
        forks.leave()  # a child process that it made goes no further
        return Heard(_answer(message, value) if message.ask else b'')
    except Interrupted:
        return None
    except BaseException as error:  # noqa: BLE001 - user code; the error is the answer
        forks.leave(error)
        return failed(error)


def failed(error: BaseException) -> Heard:
    """Return the result of a message that failed: its answer is `{"error", "type"}`."""
    return Heard(encode({'error': why(error), 'type': type(error).__name__}), error)


def why(error: BaseException) -> str:
    """Return an error's text, with its type unless it is pytask's own."""
    text = describe(error)['message']
    return (text if isinstance(error, PytaskError) else f'{type(error).__name__}: {text}')[:MAX_WHY]


def _call_of(task: Task, message: Envelope) -> Callable[[], Any]:
    method = method_name(message.name)
    if not isinstance(message.data, dict):
        raise InputError(method, [('data', 'is not a JSON object')], f'{method}(…)')
    found = getattr(task, method, None) if method != ANY else None
    if callable(found):
        plain = getattr(found, '__func__', found)
        return partial(found, **_inputs(method, plain, plain is not found).bind(message.data))
    if callable(getattr(task, ANY, None)):
        return partial(task.on_message, message.name, message.data)  # type: ignore[attr-defined]
    raise PytaskError(_unknown(task, message.name))


@lru_cache(maxsize=256)
def _inputs(method: str, source: Callable[..., Any], is_unbound: bool) -> Inputs:  # noqa: FBT001 - a cache's key
    return inputs_of_call(method, source, is_unbound=is_unbound)


def _unknown(task: Task, name: str) -> str:
    methods = [method for method in dir(type(task)) if method.startswith('on_') and not hasattr(Task, method)]
    names = [method[3:].replace('_', '-') for method in methods if callable(getattr(type(task), method, None))]
    if not names:
        return f'{task.NAME} handles no messages: it has no method on_{name.replace("-", "_")}'
    near = get_close_matches(name, names, n=2)
    hint = f'; did you mean {" or ".join(near)}?' if near else ''
    return f'{task.NAME} does not handle message {name!r}{hint} (it handles {", ".join(names)})'


def _answer(message: Envelope, value: Any) -> bytes:
    try:
        text = encode({'value': value})
    except Exception as error:  # user objects run code while they are encoded
        raise PytaskError(f'message {message.name}: the answer cannot be JSON: {why(error)}') from error
    if len(text) > MAX_ANSWER_BYTES:
        raise PytaskError(
            f'message {message.name}: the answer has {len(text):,} bytes of JSON; the limit is {MAX_ANSWER_BYTES:,}'
        )
    return text
