"""Every sample of the flow machine, as a test on the public API.

======================================  ============================================================================
There                                   Here
======================================  ============================================================================
``Task.perform(self, *a, **kw)``        ``Task.start(self)``; what it takes are the inputs, in ``__init__``
``models.Task(name, script, key)``      ``step(key, task, name)``; nothing is saved but with its routine
``create_script``, ``create_task``      ``step``, or the step itself as text, tuple or dict
``create.routine(name, tasks)``         ``routine(name, steps)``
``db.task_at(3)``                       ``routine.step_at(3)``; the sample says ``db``, and means the routine
``create.flow(routine)``                ``flow(routine)``
``submit_flow(flow or int)``            ``submit(flow or id, **data)`` → the id of its run; ids are text here
``wait(reason=)``, ``spawn(…)``         the same, returned by ``start`` or ``check``
``check(self, *a, **kw)``               the same; asked on submit, send, child's end, and every ``CHECK_EVERY`` s
``cc``, a variable of the module        ``self.state``: steps of one flow may run in several processes
``log(…)``                              ``self.message(…)``
``time.sleep``                          the same, and shorter
``email.VeryLong`` by import string     the NAME of a task, or ``<module>.<Class>``; nothing is imported by data
======================================  ============================================================================

Mended: the list of tasks lacks commas after its second line, and has two keys without quotes; ``(a, kw)`` returns
as a list; in `Offload`, ``offload`` is not lost by a count of its own.
"""

import time

import pytest
from support import SOON_S, wait_until

import pytask
from pytask import (
    PytaskError,
    RunEnded,
    Step,
    Task,
    flow,
    routine,
    spawn,
    step,
    submit,
    wait,
)

pytestmark = pytest.mark.timeout(60)


class Long(Task):
    NAME = 'example.Long'

    def start(self):
        self.message('    Perform long task,')
        time.sleep(0.01)
        return {'apples': True}


class Class(Task):
    NAME = 'example.Class'

    def start(self):
        time.sleep(0.01)
        return True


class VeryLong(Task):
    NAME = 'email.VeryLong'

    def __init__(self, seconds: float = 8, **kw):
        self.seconds, self.kw = seconds, kw

    def start(self):
        self.message(f'    Perform very long task, seconds: {self.seconds}')
        time.sleep(self.seconds / 100)
        self.kw['very_long'] = self.seconds
        return ((), self.kw)


class Download(Task):
    NAME = 'example.Download'
    CHECK_EVERY = 0.01

    def start(self):
        self.message('    Pretend to download but offload the task')
        return spawn(reason='background download', task='email.VeryLong', args=(7,))

    def check(self, **kw):
        self.state['count'] = self.state.get('count', 0) + 1
        self.message(f'check {self.state["count"]} > 10')
        return self.state['count'] > 10


class Offload(Task):
    NAME = 'example.Offload'

    def start(self):
        return wait(reason='wait for confirmation')

    def check(self, **kw):
        offd = kw.get('offload')
        count = self.state.setdefault('count', 0)
        self.message(f'    Offload in check. Count: {count}, given: "{offd}"')
        self.state['count'] += 1
        time.sleep(0.03)
        if offd is None:
            self.message('    Offload return wait')
            return wait(reason='Not Ready')
        return True


@pytest.fixture
def machine(app, worker, monkeypatch):
    """A worker that knows these tasks, of the app that the plain functions use."""
    for task in (Long, Class, VeryLong, Download, Offload):
        app.add_task(task)
    monkeypatch.setattr(pytask, 'default_app', lambda: app)
    worker()
    return app.client


def test_one_task_of_a_flow(machine):
    """`models.Task(name='foo', script='example.Long', key='unique-foo-long')`."""
    made = flow([{'name': 'foo', 'script': 'example.Long', 'key': 'unique-foo-long'}])
    assert made.step == Step('unique-foo-long', 'example.Long', 'foo')
    submit(made)
    assert made.wait(timeout=SOON_S).results['unique-foo-long'] == {'apples': True}


def test_create_functions():
    """`create_script('unique-foo-long', 'example.Long', 'foo')` and `create_task`; all are optional."""
    assert step('unique-foo-long', 'example.Long', 'foo') == Step('unique-foo-long', 'example.Long', 'foo')
    assert step('unique-foo-long', 'example.Long') == Step('unique-foo-long', 'example.Long', 'example.Long')
    assert step(task='example.Long') == Step('example.Long', 'example.Long', 'example.Long')
    assert step(task=Long) == step('example.Long')
    with pytest.raises(PytaskError, match='a step needs a task'):
        step()


TASKS = (
    'example.Class',
    ('example.Class',),
    ('key', 'example.Class'),
    ('key', 'example.Class', 'friendly name'),
    {'key': 'key', 'script': 'example.Class', 'name': 'friendly_name'},
    {'key': 'key', 'script': 'example.Class'},
    {'script': 'example.Class'},
    {'key': 'example.Class'},  # which the text has as a comment
)


def test_a_routine_of_tasks_in_order(machine):
    """The list in all its forms, `task_at`, `flow`, `submit_flow`."""
    db_routine = routine('my routine', TASKS)
    assert (db_routine.name, db_routine.version) == ('my routine', 1)
    assert db_routine.step_at(3) == Step('key', 'example.Class', 'friendly name')
    assert [made.key for made in db_routine.steps] == [
        'example.Class', 'example.Class', 'key', 'key', 'key', 'key', 'example.Class', 'example.Class',
    ]  # fmt: skip
    assert {made.task for made in db_routine.steps} == {'example.Class'}
    db_flow = flow(db_routine)
    run_id = submit(db_flow)
    assert run_id == db_flow.id
    db_flow.wait(timeout=SOON_S)
    assert (db_flow.state, db_flow.position) == ('SUCCESS', 8)
    assert [row['value'] for row in db_flow.results.to_json()] == [True] * 8
    assert db_flow.results['key'] is True


def test_a_flow_is_submitted_by_its_id_too(machine):
    made = flow(['example.Long'])
    assert submit(made.id) == made.id
    assert made.wait(timeout=SOON_S).run.output == {'apples': True}
    with pytest.raises(RunEnded, match='has ended: SUCCESS'):
        submit(made)


def test_very_long(machine):
    made = flow(['email.VeryLong'])
    submit(made, seconds=1, other='x')
    assert made.wait(timeout=SOON_S).run.output == [[], {'other': 'x', 'very_long': 1}]


def test_download(machine):
    made = flow([('download', 'example.Download'), ('after', 'example.Long')])
    submit(made)
    wait_until(lambda: made.refresh().reason == 'background download', 'it waits for its child')
    child = machine.get(f'{made.id}.1')
    assert (child.task, child.data, child.parent) == ('email.VeryLong', {'seconds': 7}, made.id)
    made.wait(timeout=20)
    assert made.saved['count'] == 11
    assert dict(made.results) == {'download': True, 'after': {'apples': True}}
    assert child.wait(timeout=SOON_S).output == [[], {'very_long': 7}]


def test_offload(machine, redis):
    made = flow([('sign', 'example.Offload'), ('after', 'example.Long')])
    submit(made)
    wait_until(lambda: redis.zscore('held', made.id), 'it is held')
    assert (made.refresh().state, made.reason) == ('WAIT', 'wait for confirmation')
    submit(made)
    wait_until(lambda: made.refresh().reason == 'Not Ready', 'it was asked')
    submit(made, offload='signed')
    assert dict(made.wait(timeout=SOON_S).results) == {'sign': True, 'after': {'apples': True}}
    assert made.saved == {'count': 2}
