"""What a run that came from a client can be told; each answers as the client's command of that name does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytask.client import Client


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

    def retry(self) -> str:
        return self._client.retry(self.id)

    @property
    def _client(self) -> Client:
        if self.client is None:
            raise RuntimeError(f'run {self.id} came without a client')
        return self.client
