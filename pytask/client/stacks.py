"""Ask a worker where a run stands.

Its hub answers. While something holds that, the worker's look-out writes into its record what holds it:
which is the answer where it is this run, and the reason why there is none where it is another.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import msgspec

from pytask.core import codec, commands
from pytask.core.clock import monotonic_s
from pytask.core.states import State
from pytask.errors import NotFound, PytaskError

if TYPE_CHECKING:
    from pytask.core.run import Run
    from pytask.store import Store

LOOK_EVERY_S = 1.0


def ask_stack(store: Store, run_id: str, timeout_s: float, *, is_full: bool) -> str:
    """Return the stacks of a run as text. Raises NotFound; PytaskError where there is none, and why."""
    run = store.runs.read([run_id])[0]
    if run is None:
        raise NotFound(f'no run {run_id!r}')
    if run.state is not State.RUNNING:
        raise PytaskError(f'run {run_id} is not running: it is {run.state}')
    name = secrets.token_hex(8)
    question = {'command': commands.STACK, 'run': run_id, 'answer': name, 'full': is_full}
    store.publish(store.keys.worker_control(run.worker), codec.encode(question).decode())
    limit = monotonic_s() + timeout_s
    while True:
        left_s = limit - monotonic_s()
        raw = store.answers.take(name, timeout_s=max(0.0, min(LOOK_EVERY_S, left_s)))
        if raw is not None:
            return _told(run, msgspec.json.decode(raw))
        record = _record(store, run.worker)
        block = _block(record)
        if block.get('run') == run_id and block.get('stack'):
            return _headed(
                run, f'{block["stack"]}\nit blocks the hub for {block["seconds"]:g} s at {block["place"]}'
            )
        if left_s <= 0:
            raise PytaskError(f'run {run_id}: {_why_silent(run.worker, record, block, timeout_s)}')


def _told(run: Run, said: dict[str, str]) -> str:
    if 'stack' not in said:
        raise PytaskError(f'run {run.id} is not running on {run.worker} any more; ask again')
    told = f'\ntold to end: {said["told"]}' if said.get('told') else ''
    return _headed(run, said['stack'] + told)


def _headed(run: Run, text: str) -> str:
    return f'run {run.id} {run.task}, attempt {run.attempt}, on {run.worker}\n{text}'


def _record(store: Store, worker_id: str) -> dict[str, str] | None:
    return next((worker for worker in store.workers.alive() if worker['id'] == worker_id), None)


def _block(record: dict[str, str] | None) -> dict[str, Any]:
    text = (record or {}).get('blocked')
    block: dict[str, Any] = msgspec.json.decode(text) if text else {}
    return block


def _why_silent(worker_id: str, record: dict[str, str] | None, block: dict[str, Any], timeout_s: float) -> str:
    if record is None:
        return f'its worker {worker_id} is gone; others will take the run over'
    if 'blocked' not in record:
        return f'its worker {worker_id} is an older pytask, {record.get("version")}, that tells no stacks'
    if block.get('stack'):
        who = f'run {block["run"]} {block["task"]}' if block['run'] else 'something in no run'
        return (
            f'its worker {worker_id} can not answer: {who} blocks it for {block["seconds"]:g} s at {block["place"]}'
        )
    return f'its worker {worker_id} has not answered within {timeout_s:g} s; try a longer timeout'
