"""Inboxes: messages to runs that are not handled yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytask.core.envelope import MAX_INBOX_BYTES, MAX_MESSAGES

if TYPE_CHECKING:
    from pytask.store.scripts import Scripts

# A local run is forgotten with its worker, so its inbox expires: a day after the last message.
LOCAL_TTL_MS = 86_400_000


class Inboxes:
    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    def send(self, run_id: str, message: bytes) -> str:
        """Add a message; return REQUESTED, FULL, REFUSED, NOT_FOUND or the end state."""
        return self._scripts.send.answer(run_id, message, MAX_MESSAGES, MAX_INBOX_BYTES, LOCAL_TTL_MS)

    def taken(self, run_id: str, token: str, handled: bytes = b'') -> bytes | None:
        """Remove the message that begins with `handled`; return the next, or None; also None if the run is lost."""
        reply = self._scripts.next_message(run_id, token, handled)
        return reply[1] if len(reply) > 1 else None
