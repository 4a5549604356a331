"""What a run that came from a client can be told; each answers as the client's command of that name does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytask.client.client import Client
    from pytask.core.events import Message


class Handle:
    """The commands of a Run."""

    __slots__ = ()
    id: str
    client: Client | None

    def stop(self, wait: float | None = None, grace: float | None = None) -> str:
        """Stop it; answers as `Client.stop` does."""
        return self._client.stop(self.id, wait, grace)

    def reload(self, data: dict[str, Any] | None = None, *, wait: float = 10.0) -> str:
        return self._client.reload(self.id, data, wait=wait)

    def extend(self, seconds: float) -> str:
        return self._client.extend(self.id, seconds)

    def pause(self) -> str:
        """Pause it; answers as `Client.pause` does."""
        return self._client.pause(self.id)

    def resume(self) -> str:
        return self._client.resume(self.id)

    def retry(self) -> str:
        return self._client.retry(self.id)

    def stack(self, *, timeout: float = 5.0, full: bool = False) -> str:
        """Return where it stands, as `Client.stack` does."""
        return self._client.stack(self.id, timeout=timeout, full=full)

    def send(self, name: str, data: dict[str, Any] | None = None) -> str:
        """Send it a message; answers as `Client.send` does."""
        return self._client.send(self.id, name, data)

    def ask(self, name: str, data: dict[str, Any] | None = None, *, timeout: float = 5.0) -> Any:
        """Ask it; returns and raises as `Client.ask` does."""
        return self._client.ask(self.id, name, data, timeout=timeout)

    @property
    def messages(self) -> list[Message]:
        """Read what it has said, oldest first. Raises NotFound."""
        return self._client.messages(self.id)

    @property
    def _client(self) -> Client:
        if self.client is None:
            raise RuntimeError(f'run {self.id} came without a client')
        return self.client
