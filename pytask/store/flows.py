"""Stored flows and routines: what a flow has besides its run, and the scripts that move it.

Each move is one script. If the worker dies between two of them, the flow resumes at its current step, with the
results of all earlier steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from pytask.core.envelope import MAX_INBOX_BYTES, MAX_MESSAGES
from pytask.core.fields import text
from pytask.core.states import Outcome
from pytask.store.connection.database import unix_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytask.store.connection.database import Database
    from pytask.store.keys import Keys
    from pytask.store.scripts import Scripts

# A longer version was not written by pytask; `define_routine` has the same limit, since Lua would write 1e+14.
VERSION_DIGITS = 13
_RUN_FIELDS = ('position', 'step', 'wait', 'until', 'child', 'routine', 'draft')


class NewFlow(NamedTuple):
    flow_id: str
    queue: str
    position: int
    step: str
    steps: bytes
    routine: str
    name: str


class Child(NamedTuple):
    """A run that a flow starts and waits for; `flow` is (steps, task of the first, routine) if it is one."""

    queue: str
    task: str
    data: bytes
    flow: tuple[bytes, str, str] | tuple[()] = ()


@dataclass(frozen=True, slots=True)
class Held(Outcome):
    """The outcome of an attempt after which a flow waits: state WAIT, this reason, no lease, no worker.

    `message` is the beginning of the message that was handled, b'' for none.
    """

    until_ms: int | None = None
    check_ms: int | None = None
    saved: bytes = b'{}'
    message: bytes = b''
    is_child_over: bool = False
    child: Child | None = None


class Stand(NamedTuple):
    """A flow as Redis has it: fields of its run, its own hash, and the first message of its inbox."""

    run: dict[str, str]
    fields: dict[str, bytes]
    message: bytes | None
    now_ms: int


class StoredFlows:
    def __init__(self, db: Database, keys: Keys, scripts: Scripts) -> None:
        self._db, self._keys, self._scripts = db, keys, scripts

    # Routines.

    def define(self, name: str, steps: bytes) -> int:
        """Store a routine; return its version."""
        version: int = self._scripts.define_routine(name, steps)
        return version

    def routine(self, name: str) -> tuple[int, bytes] | None:
        """Return the version and the steps of a routine, or None."""
        return _versioned(self._db.call('HGET', self._keys.routines, name))

    def routines(self) -> dict[str, tuple[int, bytes]]:
        """Return all routines by name; version 0 means that it cannot be read."""
        flat = self._db.call('HGETALL', self._keys.routines)
        found = {text(name): _versioned(raw) for name, raw in zip(flat[::2], flat[1::2], strict=True)}
        return {name: kept or (0, b'') for name, kept in sorted(found.items())}

    # What a client does.

    def accept(self, new: NewFlow) -> bool:
        """Accept a flow that waits to be submitted; return False if its id is in use."""
        return bool(self._scripts.accept_flow(*new) == b'OK')

    def submit(self, flow_id: str, data: bytes, message: bytes) -> str:
        """Submit a flow; return the answer of the script."""
        return self._scripts.submit_flow.answer(flow_id, data, message, MAX_MESSAGES, MAX_INBOX_BYTES)

    def force(self, flow_id: str, position: int, key: str, value: bytes, forced: bytes) -> str:
        """Complete a step by hand; return APPLIED, REFUSED, NOT_FOUND, MOVED, or the state of the flow."""
        return self._scripts.force_flow.answer(flow_id, position, key, value, forced)

    def read(self, flow_ids: Sequence[str]) -> list[Stand]:
        """Read flows in one round trip; any id may be given."""
        reads = [read for flow_id in flow_ids for read in self._reads(flow_id)]
        time, *found = self._db.pipe([('TIME',), *reads])
        rows = zip(found[::3], found[1::3], found[2::3], strict=True)
        return [_stand(row, unix_ms(time)) for row in rows]

    def children(self, flow_ids: Sequence[str], most: int) -> list[list[str]]:
        """Return for each flow the ids of the last `most` runs that it started; they may have been deleted."""
        counts = self._db.pipe([('HGET', self._keys.run(flow_id), 'children') for flow_id in flow_ids])
        return [
            [f'{flow_id}.{n}' for n in range(max(1, last - most + 1), last + 1)]
            for flow_id, raw in zip(flow_ids, counts, strict=True)
            for last in [int(raw) if raw and raw.isdigit() and len(raw) <= VERSION_DIGITS else 0]
        ]

    def _reads(self, flow_id: str) -> list[tuple[Any, ...]]:
        return [
            ('HMGET', self._keys.run(flow_id), *_RUN_FIELDS),
            ('HGETALL', self._keys.flow(flow_id)),
            ('LINDEX', self._keys.inbox(flow_id), 0),
        ]

    # For the worker; each returns False if it no longer holds the token.

    def place(self, flow_id: str, token: str, step: str, steps: bytes, routine: str) -> bool:
        """Record the task of the current step, and the steps if they were not stored yet."""
        return bool(self._scripts.place_flow(flow_id, token, step, steps, routine) == b'OK')

    def advance(self, flow_id: str, token: str, *step: Any) -> bool:
        """Record a step's value and move on: position, key, value, the next task, saved state, message."""
        return bool(self._scripts.advance_flow(flow_id, token, *step) == b'OK')


def arguments_of(held: Any) -> tuple[Any, ...]:
    """Return the arguments of the script `hold_flow` after the id and the token."""
    until, check = ('' if ms is None else ms for ms in (held.until_ms, held.check_ms))
    child = () if held.child is None else (*held.child[:3], *held.child.flow)
    return (held.reason, until, check, held.saved, held.message, int(held.is_child_over), *child)


def _stand(row: Sequence[Any], now_ms: int) -> Stand:
    run, flat, message = row
    fields = {text(name): value for name, value in zip(flat[::2], flat[1::2], strict=True)}
    known = zip(_RUN_FIELDS, run, strict=True)
    return Stand({name: text(raw) for name, raw in known if raw is not None}, fields, message, now_ms)


def _versioned(raw: bytes | None) -> tuple[int, bytes] | None:
    version, _, steps = (raw or b'').partition(b' ')
    return (int(version), steps) if version.isdigit() and len(version) <= VERSION_DIGITS else None
