"""Every sample of "Photons Task Class", and each step of its life cycles, as a test on the public API.

=====================================  =======================================================================
There                                  Here
=====================================  =======================================================================
``@task class my_amazing_task``        ``@app.task class MyAmazingTask(Task)``
``task.requires_target(…)``            ``resource(types=[…], names=[…])``: the data has a resource's name
``task.provides_target(…)``            ``resource(types=[…], required=False)``
``sb.NotSpecified``                    ``NotGiven``
``provides_reference()``, artifact     an annotated field with ``NotGiven`` as its default; both are any text
``requires_reference()``               an annotated field without a default
``requires_reference(special=True)``   ``reference('devices')``
``provides_reference(special=True)``   ``reference('devices', required=False)``: its default is a ``FoundSerials``
``collector.reference_object(val)``    a resolver: ``app.add_resolver('devices', fn, default=…)``
``execute_task(self, **kwargs)``       ``start(self)``; further names would be taken by ``__init__(self, **kwargs)``
``self.task_holder``                   ``self.spawn``: what the run owns, and ends with it
``self.collector``, ``photons_app``    ``self.app``
``photons_app.final_future``           ``self.stopping``, or the end of the run
``task.GracefulTask``                  ``graceful = True``
``asyncio.CancelledError``             ``Interrupted``, with a ``reason``
``post``                               ``finish(self, outcome)``
``photons_app.cleaners``, targets      ``@app.on_stop``, and ``close`` of a resource
SIGTERM, ``ApplicationStopped``        a shutdown: what is not graceful is given back to its queue
KeyboardInterrupt, ``UserQuit``        SIGINT is SIGTERM, and a second one hurries; to end one run, stop it
=====================================  =======================================================================

Mended: the sample declares ``r1`` and ``a`` twice, to show that two spellings are one. An ``async def`` is a plain
function here.
"""

from __future__ import annotations

from typing import ClassVar

import gevent
import pytest
from support import SOON_S, wait_until

from pytask import (
    InputError,
    Interrupted,
    NotGiven,
    PyTask,
    State,
    Task,
    reference,
    resource,
)

pytestmark = pytest.mark.timeout(60)


class Lan:
    def close(self):
        pass


class Serials(list):
    """What a text stands for."""


class FoundSerials(Serials):
    """All that can be found."""


class MyAmazingTask(Task):
    t1: Lan = resource(types=['lan'])
    t2: Lan = resource(types=['lan'], required=False)
    r1: str = NotGiven
    needed: str
    r2: Serials = reference('devices')
    r3: Serials = reference('devices', required=False)
    a: str = NotGiven

    def start(self):
        given = {name: getattr(self, name) for name in ('t1', 't2', 'r1', 'needed', 'r2', 'r3', 'a')}
        return {name: type(value).__name__ if value else str(value) for name, value in given.items()}


@pytest.fixture
def photons(app, worker):
    app.add_resource('home', Lan, Lan.close, type='lan')
    app.add_resource('office', Lan, Lan.close, type='lan')
    app.add_resource('memory', dict, type='memory')
    app.add_resolver('devices', lambda text: Serials(text.split(',')), default=lambda: FoundSerials(['all']))
    app.add_resolver('devices/match', lambda text: Serials([f'matching {text}']))
    app.add_task(MyAmazingTask)
    worker()
    return app


def test_the_task_has_all_its_values(photons):
    data = {
        't1': 'home',
        't2': 'office',
        'r1': 'd073d5',
        'needed': 'x',
        'r2': 'match:cap=hev',
        'r3': 'a,b',
        'a': 'b',
    }
    assert photons.client.start(MyAmazingTask, data).wait(timeout=SOON_S).output == {
        't1': 'Lan', 't2': 'Lan', 'r1': 'str', 'needed': 'str', 'r2': 'Serials', 'r3': 'Serials', 'a': 'str',
    }  # fmt: skip


def test_what_was_not_given_is_told_from_everything_else(photons):
    data = {'t1': 'home', 'needed': 'x', 'r2': 'd073d5'}
    assert photons.client.start(MyAmazingTask, data).wait(timeout=SOON_S).output == {
        't1': 'Lan', 't2': 'NotGiven', 'r1': 'NotGiven', 'needed': 'str', 'r2': 'Serials', 'r3': 'FoundSerials',
        'a': 'NotGiven',
    }  # fmt: skip


def test_what_is_required_is_asked_for_by_name(photons):
    with pytest.raises(InputError) as caught:
        photons.client.start(MyAmazingTask, {'t2': 'memory', 'r2': '_'})
    assert caught.value.problems == [
        ('t2', "is not a resource of this app: 'memory'; there are: home, office"),
        ('r2', 'is missing: a reference to devices'),
        ('t1', 'is missing; there are: home, office'),
        ('needed', 'is missing'),
    ]


def test_a_worker_ends_as_error_what_it_can_not_look_up(photons, redis):
    """Foreign hands ask nobody before."""
    data = '{"t1": "cellar", "needed": "x", "r2": "file:a.txt"}'
    redis.hset('task-42', mapping={'task': MyAmazingTask.NAME, 'data': data})
    redis.lpush('new-task', '42')
    run = photons.client.get('42').wait(timeout=SOON_S)
    assert run.state is State.ERROR
    assert run.output.splitlines()[1:3] == [
        "  t1  is not a resource of this app: 'cellar'; there are: home, office",
        "  r2  has no known scheme: 'file:a.txt'; there are: match",
    ]


def test_a_resource_is_one_object_for_all_runs(app, worker):
    seen = []

    @app.task(name='same')
    class Same(Task):
        t1: Lan = resource(types=['lan'], names=['home'])

        def start(self):
            seen.append(self.t1)

    app.add_resource('home', Lan, Lan.close, type='lan')
    worker()
    app.client.wait(*[app.client.start(Same, {'t1': 'home'}) for _ in range(2)], timeout=SOON_S)
    assert seen[0] is seen[1] is app.resource('home')


class Life(Task):
    """Writes down what happens to it."""

    heard: ClassVar[list[str]]

    def __init__(self, how='work'):
        self.how = how

    def start(self):
        self.spawn(self.beside)
        gevent.sleep(0)
        self.heard.append('start')
        if self.how == 'raise':
            raise ValueError('trouble')
        try:
            if self.how == 'work':
                gevent.sleep(60)
            elif self.how == 'listen':
                self.stopping.wait()
                self.heard.append('told')
        except Interrupted as interruption:
            self.heard.append(interruption.reason)
            raise
        finally:
            self.heard.append('finally')
        return self.how

    def beside(self):
        try:
            self.stopping.wait() if self.graceful else gevent.sleep(60)
        finally:
            self.heard.append('beside')

    def finish(self, outcome):
        self.heard.append(f'finish {outcome.state}')


@pytest.fixture
def lives(server, worker):
    """Begin a worker with a plain or graceful task, a resource and a cleaner."""
    app = PyTask(server.url, lease=2, drain=0)

    def begin(*, is_graceful):
        heard = []
        app.add_resource('lan', Lan, lambda lan: heard.append('closed'), type='lan')
        app.on_stop(lambda: heard.append('cleaner'))
        app.add_task(type('Life', (Life,), {'heard': heard, 'graceful': is_graceful}))
        running = worker(app)
        app.resource('lan')

        def start(how='work'):
            run = app.client.start('life', {'how': how})
            wait_until(lambda: 'start' in heard, 'it runs')
            return run

        return heard, running, start

    yield begin
    app.client.close()


@pytest.mark.parametrize('is_graceful', [False, True])
def test_it_ends_where_its_function_returns(lives, is_graceful):
    heard, _, start = lives(is_graceful=is_graceful)
    run = start('return')
    if is_graceful:  # what it has spawned is waited for
        run.stop()
    run.wait(timeout=SOON_S)
    assert run.state is (State.STOPPED if is_graceful else State.SUCCESS)
    assert heard == ['start', 'finally', 'finish SUCCESS', 'beside']


def test_it_ends_where_its_function_raises(lives):
    heard, _, start = lives(is_graceful=False)
    assert start('raise').wait(timeout=SOON_S).state is State.EXCEPTION
    assert heard == ['start', 'finish EXCEPTION', 'beside']


def test_a_plain_task_is_interrupted_and_its_finally_is_waited_for(lives):
    heard, _, start = lives(is_graceful=False)
    run = start()
    run.stop(wait=10)
    assert run.refresh().state is State.STOPPED
    assert heard == ['start', 'stop', 'finally', 'finish STOPPED', 'beside']


def test_at_the_end_of_the_application_a_plain_task_is_interrupted_then_all_is_closed(lives):
    heard, running, start = lives(is_graceful=False)
    run = start()
    running.shut_down('SIGTERM')
    wait_until(lambda: 'closed' in heard, 'it is closed')
    assert run.refresh().state is State.WAIT
    assert heard == ['start', 'shutdown', 'finally', 'finish WAIT', 'beside', 'cleaner', 'closed']


def test_at_the_end_of_the_application_a_graceful_task_ends_itself(lives):
    heard, running, start = lives(is_graceful=True)
    run = start('listen')
    running.shut_down('SIGTERM')
    wait_until(lambda: 'closed' in heard, 'it is closed')
    assert run.refresh().state is State.SUCCESS
    assert sorted(heard[:4]) == ['beside', 'finally', 'start', 'told']
    assert heard[4:] == ['finish SUCCESS', 'cleaner', 'closed']
