"""The records that go between the store and its callers, one per item or answer of a script."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from pytask.core.fields import text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytask.core.states import Outcome

T = TypeVar('T')


class NewRun(NamedTuple):
    run_id: str
    queue: str
    task: str
    data: bytes
    timeout: str = ''
    at: str = ''


class Claimed(NamedTuple):
    """One granted run. `token` names this claim; every write for the run carries it.

    `waited_ms` is the time in the queue, -1 if unknown. `timeout` is the run's own: seconds, `+seconds` on top of
    its task's, or '' for its task's. `has_messages` says whether its inbox has any.
    """

    run_id: str
    task: str
    data: bytes
    attempt: int
    token: str
    waited_ms: int = -1
    timeout: str = ''
    has_messages: bool = False


@dataclass(slots=True)
class Grant:
    """The answer to a claim. `has_more` says that the line has entries that were not looked at."""

    runs: list[Claimed] = field(default_factory=list)
    has_more: bool = False
    dead: list[tuple[str, str]] = field(default_factory=list)
    parked: list[tuple[str, str]] = field(default_factory=list)
    is_registered: bool = True
    is_paused: bool = False


class Ended(NamedTuple):
    """An outcome on its way to Redis. `seq` is the number of its event."""

    run_id: str
    token: str
    outcome: Outcome
    seq: int


class Note(NamedTuple):
    """An event on its way to Redis. `head` is its JSON without time and number; `done` and `target` are progress.

    `kept` is the JSON text of a message that is stored with the run, b'' for none.
    """

    run_id: str
    token: str
    done: int | str
    target: int | str
    head: bytes
    seq: int
    kept: bytes = b''


class Claimant(NamedTuple):
    """The worker that claims. Repeating a nonce repeats the answer."""

    worker_id: str
    nonce: str
    lease_ms: int


class Reload(NamedTuple):
    """A requested reload: its id, '' for a bare word; the new data, None to keep the present data."""

    reload_id: str
    new: bytes | None
    present: bytes


class Registered(NamedTuple):
    """The answer to a registration: what a worker and its local runs have missed."""

    is_told_to_stop: bool
    forgotten: list[str]
    verdicts: list[tuple[str, str]]


class Line(NamedTuple):
    """A list to claim from: a queue, the runs parked for a task, or the suspects. `held`: suspects it has."""

    key: str
    queue: str = ''
    parked: str = ''
    held: Sequence[str] = ()


def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for at in range(0, len(items), size):
        yield items[at : at + size]


def pairs(flat: list[bytes]) -> list[tuple[str, str]]:
    """Read a flat reply as pairs of text."""
    texts = list(map(text, flat))
    return list(zip(texts[::2], texts[1::2], strict=True))
