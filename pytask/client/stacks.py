"""Ask a worker for the stacks of a run.

The worker's event loop answers. While something blocks the loop, the worker writes into its record what does:
that is the answer if it is this run, and else the reason why there is none.
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
    """Return the stacks of a run as text. Raises NotFound, and PytaskError with the reason if there are none."""
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
            blocks = f'it has been blocking the event loop {_how_long(block)}'
            return _headed(run, f'{block["stack"]}\n{blocks}')
        if left_s <= 0:
            raise PytaskError(f'run {run_id}: {_why_silent(run.worker, record, block, timeout_s)}')


def _told(run: Run, said: dict[str, str]) -> str:
    if 'stack' not in said:
        raise PytaskError(f'run {run.id} no longer runs on worker {run.worker}; ask again')
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
        return f'its worker {worker_id} is gone; another worker will recover the run'
    if 'blocked' not in record:
        return f'its worker {worker_id} runs pytask {record.get("version")}, which cannot report stacks'
    if block.get('stack'):
        who = f'run {block["run"]} {block["task"]}' if block['run'] else 'code outside any run'
        return f'its worker {worker_id} cannot answer: {who} has been blocking it {_how_long(block)}'
    return f'its worker {worker_id} did not answer within {timeout_s:g} s; try a longer timeout'


def _how_long(block: dict[str, Any]) -> str:
    return f'for {block["seconds"]:g} s at {block["place"]}'
