"""A paused run halts at its control points, and goes on when it is resumed or told to end."""

import gevent
import pytest
from support import SOON_S, wait_until

from pytask import State, Task, current_task

# Long enough for a run that does not halt to have taken many turns.
MANY_TURNS_S = 0.3


def spin(app, work, **members):
    """Add a task that calls `work` again and again, and counts how often."""

    class Spin(Task):
        turns = 0

        def start(self):
            while not self.stopping.is_set():
                gevent.sleep(0.002)
                type(self).turns += 1
                work(self)
            return 'told'

    for name, value in members.items():
        setattr(Spin, name, value)
    app.add_task(Spin)
    return Spin


def started(app, task, **options):
    run = app.client.start(task, **options)
    wait_until(lambda: task.turns > 2, 'it works')
    return run


def has_halted(task, seconds=MANY_TURNS_S):
    """Tell whether it takes no turns any more."""
    before = task.turns
    gevent.sleep(seconds)
    return task.turns == before


def halted(app, worker, work=lambda self: self.emit('turn'), **members):
    """Return the worker, the task and the run, halted."""
    task = spin(app, work, **members)
    running = worker()
    run = started(app, task)
    assert run.pause() == 'requested'
    wait_until(lambda: has_halted(task, 0.1), 'it halts')
    return running, task, run


CONTROL_POINTS = {
    'emit': lambda self: self.emit('turn'),
    'progress': lambda self: self.progress(1),
    'message': lambda self: self.message('turn'),
    'sleep': lambda self: self.sleep(0.001),
    'checkpoint': lambda self: self.checkpoint(),
    'every': lambda self: [None for _ in zip(range(2), self.every(0.001), strict=False)],
}


@pytest.mark.parametrize('point', CONTROL_POINTS)
def test_it_halts_at_every_control_point_and_goes_on(app, worker, redis, point):
    _, task, run = halted(app, worker, CONTROL_POINTS[point])
    assert has_halted(task)
    assert (run.refresh().state, run.reason) == (State.RUNNING, 'paused')
    assert redis.zscore('leases', run.id)
    assert run.resume() == 'requested'
    before = task.turns
    wait_until(lambda: task.turns > before + 2, 'it goes on')
    assert (run.refresh().state, run.reason, run.attempt) == (State.RUNNING, '', 1)
    assert run.stop() == 'requested'
    assert run.wait(timeout=SOON_S).state is State.STOPPED


def test_what_was_done_is_told_before_it_halts(app, worker):
    _, task, run = halted(app, worker, lambda self: self.progress(type(self).turns))
    wait_until(lambda: run.refresh().progress == task.turns, 'the last turn is told')
    run.stop()


def test_every_has_no_turns_to_make_up_for(app, worker):
    class Ticks(Task):
        turns = 0

        def start(self):
            for _ in self.every(0.05):
                type(self).turns += 1

    app.add_task(Ticks)
    worker()
    run = started(app, Ticks)
    run.pause()
    wait_until(lambda: has_halted(Ticks, 0.2), 'it halts')
    gevent.sleep(0.5)
    before = Ticks.turns
    run.resume()
    wait_until(lambda: Ticks.turns > before, 'it goes on')
    assert Ticks.turns - before < 5
    run.stop()


def test_children_halt_too(app, worker):
    turns = {'owned': 0, 'plain': 0}

    class Family(Task):
        def start(self):
            self.spawn(self.child, 'owned')
            gevent.spawn(self.child, 'plain').join()

        def child(self, name):
            while True:
                gevent.sleep(0.002)
                turns[name] += 1
                self.emit('turn')

    app.add_task(Family)
    worker()
    run = app.client.start('family')
    wait_until(lambda: all(turns.values()), 'both work')
    run.pause()

    def have_halted():
        before = dict(turns)
        gevent.sleep(0.1)
        return turns == before

    wait_until(have_halted, 'both halt')
    run.stop()
    assert run.wait(timeout=SOON_S).state is State.STOPPED


def test_native_threads_need_not_halt(app, worker):
    class Offloads(Task):
        turns = 0

        def start(self):
            self.offload(self.count)
            return 'done'

        def count(self):
            for n in range(200):
                gevent.sleep(0.002)
                type(self).turns += 1
                self.emit('turn', n)
                self.progress(n)

    app.add_task(Offloads)
    worker()
    run = started(app, Offloads)
    assert run.pause() == 'requested'
    assert run.wait(timeout=SOON_S).output == 'done'
    assert (run.state, run.reason) == (State.SUCCESS, '')


def test_a_halted_child_ends_with_its_run(app, worker):
    cleaned = []

    class Family(Task):
        def start(self):
            self.spawn(self.child)
            gevent.sleep(0.01)
            while app.client.get(self.id).reason != 'paused':
                gevent.sleep(0.01)
            gevent.sleep(0.1)
            return 'done'

        def child(self):
            try:
                while True:
                    gevent.sleep(0.002)
                    self.emit('turn')
            finally:
                self.emit('cleaning')  # nothing halts any more
                cleaned.append(True)

    app.add_task(Family)
    worker()
    run = app.client.start('family')
    wait_until(lambda: run.refresh().state is State.RUNNING, 'it runs')
    run.pause()
    assert (run.wait(timeout=SOON_S).output, cleaned) == ('done', [True])


@pytest.mark.parametrize('policy', [{}, {'graceful': True}, {'stop': lambda self: self.emit('in stop')}])
def test_stop_wins(app, worker, policy):
    _, _, run = halted(app, worker, **policy)
    assert run.stop() == 'requested'
    run.wait(timeout=SOON_S)
    assert (run.state, run.reason) == (State.STOPPED, 'stop')
    assert run.output == 'told' or not policy
    assert 'paused' not in app.client.store.db.call('HKEYS', f'task-{run.id}')


def test_a_timeout_goes_on_counting(app, worker):
    _, _, run = halted(app, worker, TIMEOUT=1.5)
    run.wait(timeout=SOON_S)
    assert (run.state, run.reason) == (State.EXCEPTION, 'timeout')


def test_the_successor_of_a_reload_halts_too(app, worker):
    made = []

    def begin(self, n=0):
        made.append(n)
        self.emit('made')

    _, task, run = halted(app, worker, __init__=begin)
    assert run.reload({'n': 2}) == 'applied'
    assert made == [0, 2]
    wait_until(lambda: has_halted(task, 0.1), 'the new one halts')
    assert (run.refresh().state, run.reason, run.data) == (State.RUNNING, 'paused', {'n': 2})
    before = task.turns
    run.resume()
    wait_until(lambda: task.turns > before + 2, 'it goes on')
    run.stop()


def test_bad_data_leaves_it_halted(app, worker):
    def begin(self, n: int = 0):
        pass

    _, task, run = halted(app, worker, __init__=begin)
    with pytest.raises(Exception, match='n'):
        run.reload({'n': 'x'})
    assert has_halted(task)
    run.stop()


def test_it_is_given_back_paused_at_a_shutdown_and_begins_anew_when_it_is_resumed(server, worker):
    from pytask import PyTask

    app = PyTask(server.url, lease=2, drain=0)
    try:
        running, task, run = halted(app, lambda: worker(app))
        running.shut_down('the test')
        wait_until(lambda: run.refresh().state is State.WAIT, 'it is given back')
        assert run.reason == 'paused'
        worker(app)
        other = app.client.start(task)
        wait_until(lambda: other.refresh().state is State.RUNNING, 'others run')
        assert (run.refresh().state, run.reason, run.attempt) == (State.WAIT, 'paused', 1)
        assert run.resume() == 'applied'
        wait_until(lambda: run.refresh().state is State.RUNNING, 'it runs')
        assert (run.attempt, run.reason) == (2, '')
        app.client.stop_many([run.id, other.id])
        app.client.wait(run, other, timeout=SOON_S)
    finally:
        app.client.close()


def test_a_waiting_run_does_not_start(app, worker):
    task = spin(app, lambda self: self.emit('turn'))
    run, other = app.client.start(task), app.client.start(task)
    assert run.pause() == 'applied'
    worker()
    wait_until(lambda: other.refresh().state is State.RUNNING, 'the other one runs')
    assert (run.refresh().state, run.reason) == (State.WAIT, 'paused')
    assert run.resume() == 'applied'
    wait_until(lambda: run.refresh().state is State.RUNNING, 'it runs')
    app.client.stop_many([run.id, other.id])
    app.client.wait(run, other, timeout=SOON_S)


def test_a_published_word_is_made_durable_first(app, worker, redis):
    task = spin(app, lambda self: self.emit('turn'))
    worker()
    run = started(app, task)
    redis.publish(f'task-{run.id}-control', 'pause')
    wait_until(lambda: redis.hget(f'task-{run.id}', 'paused'), 'it is written down')
    wait_until(lambda: has_halted(task, 0.1), 'it halts')
    assert run.refresh().reason == 'paused'
    redis.publish(f'task-{run.id}-control', 'resume')
    before = task.turns
    wait_until(lambda: task.turns > before + 2, 'it goes on')
    assert run.refresh().reason == ''
    run.stop()


def test_what_the_channel_did_not_say_the_renewal_does(app, worker, redis):
    """The lease is 2 s, so a renewal comes twice a second."""
    task = spin(app, lambda self: self.emit('turn'))
    running = worker()
    run = started(app, task)
    running.listener.stop()
    assert run.pause() == 'requested'
    wait_until(lambda: has_halted(task, 0.1), 'it halts')
    assert run.resume() == 'requested'
    before = task.turns
    wait_until(lambda: task.turns > before + 2, 'it goes on')
    assert run.stop() == 'requested'
    assert run.wait(timeout=SOON_S).state is State.STOPPED


def test_a_pause_for_another_attempt_is_dropped(app, worker, redis):
    task = spin(app, lambda self: self.emit('turn'))
    worker()
    run = started(app, task)
    redis.publish(f'task-{run.id}-control', '{"command":"pause","attempt":7}')
    run.reload()  # whatever was published before has been heard
    assert not redis.hexists(f'task-{run.id}', 'paused')
    run.stop()


def test_a_local_run_is_paused_as_any_other(app, worker):
    task = spin(app, lambda self: self.emit('turn'))
    app.start_local_task(task.NAME, {})
    worker()
    wait_until(lambda: task.turns > 2, 'it works')
    [run] = app.client.list(task=task.NAME)
    assert run.pause() == 'requested'
    wait_until(lambda: has_halted(task, 0.1), 'it halts')
    assert [pause[:2] for pause in app.client.paused()] == [('run', run.id)]
    before = task.turns
    run.resume()
    wait_until(lambda: task.turns > before, 'it goes on')


def test_a_local_run_that_did_not_hear_it_is_told_by_the_heartbeat(app, worker):
    task = spin(app, lambda self: self.emit('turn'))
    app.start_local_task(task.NAME, {})
    running = worker()
    wait_until(lambda: task.turns > 2, 'it works')
    [run] = wait_until(lambda: app.client.list(task=task.NAME), 'it is listed')
    obey, running.dispatcher.obey = running.dispatcher.obey, lambda *_: None
    assert run.pause() == 'requested'
    wait_until(lambda: has_halted(task, 0.1), 'it halts')
    before = task.turns
    assert run.resume() == 'requested'
    wait_until(lambda: task.turns > before, 'it goes on')
    running.dispatcher.obey = obey


def test_pytasks_own_tasks_refuse(app, worker):
    worker()
    [own, *_] = wait_until(lambda: [run for run in app.client.list() if run.task.startswith('pytask/')], 'they run')
    assert (own.pause(), own.resume()) == ('refused', 'refused')
    assert app.client.pause_task('pytask/monitor') == 'refused'


def test_pausing_tells_what_is_true(app, worker, redis):
    app.task(name='quick')(lambda: current_task().checkpoint())
    run = app.client.start('quick')
    assert (run.resume(), run.pause(), run.pause(), run.resume()) == ('WAIT', 'applied', 'applied', 'applied')
    worker()
    run.wait(timeout=SOON_S)
    assert (run.pause(), run.resume()) == ('SUCCESS', 'SUCCESS')
    assert (app.client.pause('nobody'), app.client.resume('nobody')) == ('not_found', 'not_found')


def test_the_events_tell_of_it(app, worker):
    task = spin(app, lambda self: self.checkpoint())
    worker()
    run = started(app, task)
    events = run.events(timeout=10)
    run.pause()
    run.resume()
    run.stop()
    assert [event.event for event in events] == ['paused', 'resumed', 'stopped']


def test_outside_a_run_nothing_halts():
    class Plain(Task):
        def start(self):
            self.checkpoint()
            return 1

    assert Plain().start() == 1
