"""A run: one launch of a task, as its Redis hash shows it.

`Run` is a snapshot plus the client it came from; `refresh` reads it again. `client` makes and commands runs;
what it needs of that client is `RunClient`, so that this module imports nothing above it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from pytask.core.fields import as_json, as_number, as_whole, texts
from pytask.core.states import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytask.core.events import Event, Message


class RunClient(Protocol):
    """What a run needs of the client it came from."""

    def get(self, run_id: str) -> Run: ...
    def wait(self, *runs: Run | str, timeout: float | None = None) -> list[Run]: ...
    def events(self, *run_ids: str, timeout: float | None = None) -> Iterator[Event]: ...
    def messages(self, run_id: str) -> list[Message]: ...
    def stop(self, run_id: str, wait: float | None = None, grace: float | None = None) -> str: ...
    def reload(self, run_id: str, data: dict[str, Any] | None = None, *, wait: float = 10.0) -> str: ...
    def extend(self, run_id: str, seconds: float) -> str: ...
    def pause(self, run_id: str) -> str: ...
    def resume(self, run_id: str) -> str: ...
    def retry(self, run_id: str, step: int | None = None) -> str: ...
    def stack(self, run_id: str, *, timeout: float = 5.0, full: bool = False) -> str: ...
    def send(self, run_id: str, name: str, data: dict[str, Any] | None = None) -> str: ...
    def ask(self, run_id: str, name: str, data: dict[str, Any] | None = None, *, timeout: float = 5.0) -> Any: ...


@dataclass(slots=True)
class Run:
    """One run. Times are Unix seconds by Redis, None if not reached yet; `at` is when it was scheduled to start.

    `output` is the return value, an error's message, or `{"type", "message", "traceback"}` after an EXCEPTION.
    Methods that need the client raise RuntimeError if the run has none, and Unavailable if Redis cannot serve.
    """

    id: str
    task: str = ''
    state: State = State.WAIT
    data: Any = field(default_factory=dict)
    output: Any = None
    reason: str = ''
    queue: str = 'default'
    worker: str = ''
    attempt: int = 0
    crashes: int = 0
    progress: int | None = None
    target: int | None = None
    created: float | None = None
    started: float | None = None
    ended: float | None = None
    at: float | None = None
    is_local: bool = False
    parent: str = ''
    client: RunClient | None = field(default=None, repr=False, compare=False)

    @classmethod
    def from_hash(cls, run_id: str, raw: Mapping[bytes, bytes], client: RunClient | None = None) -> Run:
        """Read a hash. Never fails: other clients write here too, and junk is shown unchanged."""
        text = texts(raw)
        state = text.get('state', '')
        return cls(
            id=run_id,
            task=text.get('task', ''),
            state=State(state) if state in State.__members__ else State.WAIT,
            data=as_json(text.get('data', '{}')),
            output=as_json(text['output']) if 'output' in text else None,
            reason=text.get('reason', ''),
            queue=text.get('queue') or 'default',
            worker=text.get('worker', ''),
            attempt=as_whole(text.get('attempt')) or 0,
            crashes=as_whole(text.get('crashes')) or 0,
            progress=as_whole(text.get('progress')),
            target=as_whole(text.get('target')),
            created=as_number(text.get('created')),
            started=as_number(text.get('started')),
            ended=as_number(text.get('ended')),
            at=as_number(text.get('at')),
            is_local='local' in text,
            parent=text.get('parent', ''),
            client=client,
        )

    @property
    def is_ended(self) -> bool:
        """Whether the state is STOPPED, SUCCESS, ERROR or EXCEPTION."""
        return self.state.is_ended

    def to_json(self) -> dict[str, Any]:
        """Return its fields as JSON has them, without the client."""
        names = (name for name in self.__slots__ if name not in ('client', 'is_local'))
        return {name: getattr(self, name) for name in names} | {'local': self.is_local}

    def refresh(self) -> Run:
        """Read the hash again, in place. Raises NotFound."""
        fresh = self._client.get(self.id)
        for name in self.__slots__:
            setattr(self, name, getattr(fresh, name))
        return self

    def wait(self, timeout: float | None = None) -> Run:
        """Block until it has ended, and read its end. Raises WaitTimeout after `timeout` seconds, NotFound."""
        self._client.wait(self, timeout=timeout)
        return self.refresh()

    def events(self, timeout: float | None = None) -> Iterator[Event]:
        """Yield its events from now on until it ends. Raises WaitTimeout after `timeout` seconds."""
        return self._client.events(self.id, timeout=timeout)

    def stop(self, wait: float | None = None, grace: float | None = None) -> str:
        """Stop it, and with `wait` give it that many seconds to end; answers as `Client.stop` does."""
        return self._client.stop(self.id, wait, grace)

    def reload(self, data: dict[str, Any] | None = None, *, wait: float = 10.0) -> str:
        """Start it again in place, with new data if given; answers as `Client.reload` does."""
        return self._client.reload(self.id, data, wait=wait)

    def extend(self, seconds: float) -> str:
        """Let it take `seconds` longer before it times out; answers as `Client.extend` does."""
        return self._client.extend(self.id, seconds)

    def pause(self) -> str:
        """Pause it; answers as `Client.pause` does."""
        return self._client.pause(self.id)

    def resume(self) -> str:
        """Let it continue after a pause; answers as `Client.resume` does."""
        return self._client.resume(self.id)

    def retry(self) -> str:
        """Run it again after it has ended; answers as `Client.retry` does."""
        return self._client.retry(self.id)

    def stack(self, *, timeout: float = 5.0, full: bool = False) -> str:
        """Return its stack traces, as `Client.stack` does."""
        return self._client.stack(self.id, timeout=timeout, full=full)

    def send(self, name: str, data: dict[str, Any] | None = None) -> str:
        """Send it a message; answers as `Client.send` does."""
        return self._client.send(self.id, name, data)

    def ask(self, name: str, data: dict[str, Any] | None = None, *, timeout: float = 5.0) -> Any:
        """Ask it; returns and raises as `Client.ask` does."""
        return self._client.ask(self.id, name, data, timeout=timeout)

    @property
    def messages(self) -> list[Message]:
        """The messages it has sent, oldest first. Raises NotFound."""
        return self._client.messages(self.id)

    @property
    def _client(self) -> RunClient:
        if self.client is None:
            raise RuntimeError(f'run {self.id} came without a client')
        return self.client
