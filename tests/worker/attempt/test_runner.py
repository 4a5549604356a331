"""The runner: whatever a task raises or returns, its run ends with one outcome, and its neighbours go on."""

import gevent
import pytest
from support import SOON_S, wait_until

from pytask import Interrupted, State, Task, current_task


class Unprintable(Exception):
    def __str__(self):
        raise ValueError('even my text fails')


def recurse():
    return recurse()


def raising(error):
    def fail():
        raise error

    return fail


BLOWS = {
    'SystemExit': raising(SystemExit(3)),
    'KeyboardInterrupt': raising(KeyboardInterrupt()),
    'GreenletExit': raising(gevent.GreenletExit()),
    'MemoryError': raising(MemoryError()),
    'GeneratorExit': raising(GeneratorExit()),
    'Timeout': raising(gevent.Timeout(1)),
    'Interrupted': raising(Interrupted('stop')),
    'Unprintable': raising(Unprintable()),
    'RecursionError': recurse,
}


@pytest.mark.promise(4)
@pytest.mark.parametrize('blow', BLOWS)
def test_whatever_is_raised_is_contained_and_ends_in_exception(app, worker, blow):
    beside = gevent.event.Event()

    @app.task
    def innocent():
        beside.wait(10)
        return 'unharmed'

    @app.task
    def fail():
        BLOWS[blow]()

    worker()
    neighbour = innocent.apply()
    run = fail.apply().wait(timeout=SOON_S)
    assert (run.state, run.output['type']) == (State.EXCEPTION, blow)
    beside.set()
    assert neighbour.wait(timeout=SOON_S).output == 'unharmed'


def in_init(blow):
    def init(self):
        blow()

    return {'__init__': init}


def in_stop(blow):
    return {'stop': lambda self: blow(), 'start': lambda self: gevent.sleep(60)}


def in_finish(blow):
    return {'finish': lambda self, outcome: blow()}


def in_context(blow):
    return {'provide_context': staticmethod(blow)}


PLACES = {in_init: State.EXCEPTION, in_context: State.EXCEPTION, in_finish: State.SUCCESS, in_stop: State.STOPPED}


@pytest.mark.promise(4)
@pytest.mark.parametrize('place', PLACES, ids=lambda place: place.__name__)
@pytest.mark.parametrize('blow', BLOWS)
def test_wherever_it_is_raised_it_is_contained(app, worker, place, blow):
    members = {'NAME': 'blow', 'start': lambda self: 'fine'} | place(BLOWS[blow])
    app.add_task(type('Blow', (Task,), members))
    app.task(name='after')(lambda: 'unharmed')
    running = worker()
    try:
        run = app.client.start('blow')
        if place is in_stop:
            wait_until(lambda: (live := running.slots.get(run.id)) and live.task, 'it runs')
            run.stop()
        assert run.wait(timeout=SOON_S).state is PLACES[place]
        assert app.client.start('after').wait(timeout=SOON_S).output == 'unharmed'
    except (SystemExit, KeyboardInterrupt) as escaped:
        pytest.fail(f'{type(escaped).__name__} reached the main greenlet')


class Vicious(Exception):
    def __str__(self):
        raise SystemExit(7)


def test_an_exception_whose_text_ends_the_process_does_not(app, worker):
    ended = []

    class Fail(Task):
        def start(self):
            self.spawn(gevent.sleep, 60)
            raise Vicious

        def finish(self, outcome):
            ended.append(outcome.state)

    app.add_task(Fail)
    worker()
    run = app.client.start(Fail).wait(timeout=SOON_S)
    assert (run.state, run.output['message']) == (State.EXCEPTION, '<unprintable Vicious>')
    assert ended == [State.EXCEPTION]


@pytest.mark.promise(4)
def test_a_run_whose_greenlet_is_killed_before_its_first_step_runs_again(app, worker, caplog):
    ran, killed = [], []
    app.task(name='quick')(lambda: ran.append(True))
    running = worker()
    launch = running.launcher.launch

    def kill_first(*args, **more):
        if not killed:  # before the callback that starts it
            gevent.get_hub().loop.run_callback(lambda: killed[0].greenlet.throw(gevent.GreenletExit))
        killed.append(launch(*args, **more))
        return killed[-1]

    running.launcher.launch = kill_first
    run = app.client.start('quick').wait(timeout=SOON_S)
    assert (run.state, run.attempt, ran) == (State.SUCCESS, 2, [True])
    assert killed[0].greenlet.dead
    assert 'was killed before its first step' in caplog.text


def test_one_that_was_told_to_stop_and_killed_is_stopped(app, worker):
    app.task(name='quick')(lambda: None)
    running = worker()
    launch = running.launcher.launch

    def kill(*args, **more):
        gevent.get_hub().loop.run_callback(lambda: live.greenlet.throw(gevent.GreenletExit))
        live = launch(*args, **more)
        live.end.reason = 'stop'
        return live

    running.launcher.launch = kill
    assert app.client.start('quick').wait(timeout=SOON_S).state is State.STOPPED


@pytest.mark.parametrize('spawn', [gevent.spawn, gevent.Greenlet.spawn, lambda f: gevent.spawn_later(30, f)])
def test_a_greenlet_that_a_task_has_forgotten_ends_with_its_run(app, worker, spawn):
    left = []

    @app.task
    def forgets():
        left.append(spawn(lambda: gevent.sleep(60)))

    worker()
    assert forgets.apply().wait(timeout=SOON_S).state is State.SUCCESS
    assert left[0].dead


def test_an_exception_leaves_type_message_and_traceback(app, worker):
    class Divide(Task):
        def start(self):
            return self.by(0)

        def by(self, n):
            return 1 / n

    app.add_task(Divide)
    worker()
    run = app.client.start(Divide).wait(timeout=SOON_S)
    assert run.state is State.EXCEPTION
    assert sorted(run.output) == ['message', 'traceback', 'type']
    assert (run.output['type'], run.output['message']) == ('ZeroDivisionError', 'division by zero')
    assert 'return 1 / n' in run.output['traceback']
    assert run.reason == ''


def test_only_data_of_its_own_that_does_not_fit_is_an_error(app, worker):
    @app.task
    def inner(n: int):
        return n

    @app.task
    def outer(n: int):
        return inner.apply(n='many').id

    worker()
    run = outer.apply(n=1).wait(timeout=SOON_S)
    assert (run.state, run.output['type']) == (State.EXCEPTION, 'InputError')
    assert "inner.apply(n='many')" in run.output['traceback']


def test_a_traceback_begins_in_the_authors_code(app, worker):
    class Fail(Task):
        def start(self):
            raise ValueError('mine')

    app.add_task(Fail)
    worker()
    trace = app.client.start(Fail).wait(timeout=SOON_S).output['traceback']
    assert trace.count('  File ') == 1
    assert __file__ in trace


def test_a_traceback_of_a_function_begins_in_that_function(app, worker):
    @app.task
    def fail():
        raise ValueError('mine')

    worker()
    trace = fail.apply().wait(timeout=SOON_S).output['traceback']
    assert trace.count('  File ') == 1
    assert __file__ in trace


def test_a_traceback_shows_the_cause_too(app, worker):
    @app.task
    def fail():
        try:
            raise KeyError('below')
        except KeyError as error:
            raise ValueError('above') from error

    worker()
    trace = fail.apply().wait(timeout=SOON_S).output['traceback']
    assert "KeyError: 'below'" in trace
    assert 'ValueError: above' in trace


def test_an_unprintable_exception_says_so(app, worker):
    app.task(name='fail')(raising(Unprintable()))
    worker()
    run = app.client.start('fail').wait(timeout=SOON_S)
    assert run.output['message'] == '<unprintable Unprintable>'
    assert 'raise error' in run.output['traceback']


def test_a_giant_message_is_cut(app, worker):
    app.task(name='fail')(raising(ValueError('x' * 2_000_000)))
    worker()
    run = app.client.start('fail').wait(timeout=SOON_S)
    assert len(run.output['message']) == 64 * 1024
    assert len(run.output['traceback']) <= 64 * 1024


@pytest.mark.parametrize('text', ['line one\nline two', 'ünïcode', '', 'lone \ud800 surrogate', 'nul \0'])
def test_an_error_ends_with_its_message(app, worker, text):
    class Fail(Task):
        def start(self):
            raise self.Error(text)

    app.add_task(Fail)
    worker()
    run = app.client.start(Fail).wait(timeout=SOON_S)
    assert (run.state, run.output) == (State.ERROR, text.replace('\ud800', '\\ud800'))


def test_an_error_of_its_own_class_is_an_error(app, worker):
    class Fail(Task):
        class NoPage(Task.Error):
            pass

        def start(self):
            raise self.NoPage('no page')

    app.add_task(Fail)
    worker()
    run = app.client.start(Fail).wait(timeout=SOON_S)
    assert (run.state, run.output) == (State.ERROR, 'no page')


@pytest.mark.parametrize(
    'value', [object(), float('nan'), [float('-inf')], {'a': {1, object()}}], ids=['object', 'nan', 'inf', 'deep']
)
def test_an_output_that_is_not_json_is_an_exception_that_says_so(app, worker, value):
    app.task(name='give')(lambda: value)
    worker()
    run = app.client.start('give').wait(timeout=SOON_S)
    assert run.state is State.EXCEPTION
    assert run.output['message'].startswith('start returned a value that cannot be JSON: ')


def test_an_endless_output_is_an_exception(app, worker):
    @app.task
    def give():
        endless = []
        endless.append(endless)
        return endless

    worker()
    run = give.apply().wait(timeout=SOON_S)
    assert (run.state, run.output['type']) == (State.EXCEPTION, 'TypeError')


def test_an_output_over_a_megabyte_is_an_exception_that_says_so(app, worker):
    @app.task
    def give(size: int):
        return 'x' * size

    worker()
    fits, over = give.apply(size=2**20 - 2), give.apply(size=2**20 - 1)
    fits, over = app.client.wait(fits, over, timeout=SOON_S)
    assert (fits.state, len(fits.output)) == (State.SUCCESS, 2**20 - 2)
    assert over.state is State.EXCEPTION
    assert over.output['message'] == 'start returned 1,048,577 bytes of JSON; the limit is 1,048,576'


def test_bad_data_is_an_error_that_lists_every_problem(app, worker, redis):
    @app.task
    def crawl(url: str, depth: int = 2):
        return None

    worker()
    redis.hset('task-1', mapping={'task': 'crawl', 'data': '{"depth": "deep", "colour": "red"}'})
    redis.lpush('new-task', '1')
    (run,) = app.client.wait('1', timeout=SOON_S)
    assert run.state is State.ERROR
    assert run.output.splitlines() == [
        'invalid inputs for `crawl`', "  depth  expected int, got str ('deep')", '  colour  is not an input',
        '  url  is missing', '  usage  crawl(url: str, depth: int = 2)',
    ]  # fmt: skip


@pytest.mark.parametrize(
    'data', ['[1]', '"text"', 'null', '7', '', '{"a"', 'not json', '{"a": 1} x', b'{"a": "\xff"}']
)
def test_data_that_is_no_json_object_is_an_error(app, worker, redis, data):
    @app.task
    def anything(**data):
        return data

    worker()
    redis.hset('task-1', mapping={'task': 'anything', 'data': data})
    redis.lpush('new-task', '1')
    (run,) = app.client.wait('1', timeout=SOON_S)
    assert run.state is State.ERROR
    assert 'data  is not ' in run.output
    assert 'JSON' in run.output


def test_deeply_nested_data_is_contained(app, worker, redis):
    @app.task
    def anything(**data):
        return 'fine'

    worker()
    redis.hset('task-1', mapping={'task': 'anything', 'data': '{"a":' * 100_000 + '1' + '}' * 100_000})
    redis.lpush('new-task', '1')
    (run,) = app.client.wait('1', timeout=SOON_S)
    assert run.state in (State.ERROR, State.EXCEPTION)


def test_an_init_that_fails_is_an_exception(app, worker):
    class Fail(Task):
        def __init__(self):
            raise OSError('no such thing')

        def start(self):
            return None

    app.add_task(Fail)
    worker()
    run = app.client.start(Fail).wait(timeout=SOON_S)
    assert (run.state, run.output['type']) == (State.EXCEPTION, 'OSError')


def test_an_init_may_say_error(app, worker):
    class Fail(Task):
        def __init__(self):
            raise self.Error('not today')

        def start(self):
            return None

    app.add_task(Fail)
    worker()
    run = app.client.start(Fail).wait(timeout=SOON_S)
    assert (run.state, run.output) == (State.ERROR, 'not today')


def test_a_run_over_its_timeout_is_an_exception(app, worker):
    cleaned = []

    class Slow(Task):
        TIMEOUT = 0.1

        def start(self):
            try:
                gevent.sleep(60)
            except Interrupted as interruption:
                cleaned.append(interruption.reason)
                raise

    app.add_task(Slow)
    worker()
    run = app.client.start(Slow).wait(timeout=SOON_S)
    assert (run.state, run.reason) == (State.EXCEPTION, 'timeout')
    assert run.output['message'] == 'it ran longer than its TIMEOUT'
    assert cleaned == ['timeout']


def test_a_run_within_its_timeout_is_left_alone(app, worker):
    @app.task(timeout=30)
    def quick():
        return 'in time'

    worker()
    assert quick.apply().wait(timeout=SOON_S).output == 'in time'


def test_a_patient_task_may_end_orderly_when_timed_out_and_is_timed_out_all_the_same(app, worker):
    class Slow(Task):
        TIMEOUT = 0.1
        graceful = True

        def start(self):
            self.stopping.wait(60)
            return 'what I have'

    app.add_task(Slow)
    worker()
    run = app.client.start(Slow).wait(timeout=SOON_S)
    assert (run.state, run.reason) == (State.EXCEPTION, 'timeout')


def test_a_leaked_gevent_timeout_does_not_hit_the_bookkeeping(app, worker):
    """A Timeout that was never closed fires while the run's children are being ended."""

    class Leak(Task):
        def start(self):
            begun = gevent.event.Event()
            self.spawn(self.clean_up_slowly, begun)
            begun.wait()
            gevent.Timeout(0.1).start()
            return 'done'

        def clean_up_slowly(self, begun):
            begun.set()
            try:
                gevent.sleep(60)
            finally:
                gevent.sleep(0.3)

    app.add_task(Leak)
    worker()
    run = app.client.start(Leak).wait(timeout=4)
    assert (run.state, run.output) == (State.SUCCESS, 'done')


def test_context_variables_and_locals_do_not_leak_into_the_next_run(app, worker):
    seen = []

    class Look(Task):
        def start(self):
            seen.append(current_task() is self)
            local.value = getattr(local, 'value', 0) + 1
            return local.value

    local = gevent.local.local()
    app.add_task(Look)
    worker()
    runs = [app.client.start(Look) for _ in range(5)]
    assert [run.output for run in app.client.wait(*runs, timeout=SOON_S)] == [1] * 5
    assert all(seen)


def test_outcomes_are_counted(app, worker, redis):
    @app.task
    def fine():
        return None

    @app.task
    def fail():
        raise ValueError

    worker()
    app.client.wait(fine.apply(), fine.apply(), fail.apply(), timeout=SOON_S)
    assert redis.hgetall('stats') == {'SUCCESS:fine': '2', 'EXCEPTION:fail': '1'}
