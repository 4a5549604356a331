"""What a run leaves behind is held against what its task promises; and what it says is kept."""

import gevent
import pytest
from support import SOON_S, wait_until

from pytask import NotFound, State, Task


@pytest.fixture
def counts(app, worker):
    """A task that returns whatever it is given, and promises numbers."""

    @app.task
    def counts(value) -> dict[str, list[int]]:
        return value

    worker()

    def run(value):
        return app.client.start('counts', {'value': value}).wait(timeout=SOON_S)

    return run


def test_what_was_promised_is_left(counts):
    assert counts({'a': [1]}).output == {'a': [1]}


def test_another_output_is_an_exception_with_every_path(counts):
    run = counts({'a': [1, 'x'], 'b': None})
    assert (run.state, run.output['type']) == (State.EXCEPTION, 'OutputError')
    assert run.output['message'].splitlines() == [
        '`counts` returned a value that does not match its return annotation',
        "  output.a[1]  expected int, got str ('x')",
        '  output.b  expected array, got null (None)',
    ]


def test_nothing_is_another_output_too(counts):
    assert counts(None).state is State.EXCEPTION


def test_who_was_told_to_stop_has_promised_nothing(app, worker):
    @app.task(name='waits')
    class Waits(Task):
        def start(self) -> int:
            self.stopping.wait()
            return 'told'

        def stop(self):
            pass

    worker()
    run = app.client.start('waits')
    wait_until(lambda: run.refresh().state is State.RUNNING, 'it runs')
    run.stop(wait=10)
    assert (run.refresh().state, run.output) == (State.STOPPED, 'told')


def test_an_output_that_is_not_json_is_told_as_that(app, worker):
    @app.task
    def nasty() -> dict[str, set[int]]:
        return {'a': {1, object()}}

    worker()
    run = app.client.start('nasty').wait(timeout=SOON_S)
    assert (run.state, run.output['type']) == (State.EXCEPTION, 'TypeError')
    assert 'cannot be JSON' in run.output['message']


def test_positional_values_reach_a_function_that_takes_any_number(app, worker):
    @app.task
    def words(first, *rest: int, last='z'):
        return [first, rest, last]

    worker()
    data = app.registry.inputs(words.task_class).named(['a', '1', 2])
    assert app.client.start('words', data).wait(timeout=SOON_S).output == ['a', [1, 2], 'z']
    assert app.client.start('words', {'first': 'a'}).wait(timeout=SOON_S).output == ['a', [], 'z']


def test_progress_is_counted_from_greenlets_and_threads(app, worker):
    @app.task(name='many')
    class Many(Task):
        def start(self):
            self.set_target(40)
            for child in [self.spawn(self.some) for _ in range(2)]:
                child.join()
            gevent.joinall([self.spawn(self.offload, self.some) for _ in range(2)])
            self.inc_progress(0)

        def some(self):
            for _ in range(10):
                self.inc_progress()

    worker()
    run = app.client.start('many').wait(timeout=SOON_S)
    assert (run.state, run.progress, run.target) == (State.SUCCESS, 40, 40)


def test_a_long_message_is_kept_in_part_and_told_whole(app, worker):
    @app.task(name='long')
    class Long(Task):
        def start(self):
            self.message('€' * 5000)

    worker()
    run_id = app.client.new_id()
    events = app.client.events(run_id, timeout=10)
    run = app.client.start('long', run_id=run_id)
    assert [len(event.data) for event in events if event.event == 'message'] == [5000]
    run.wait(timeout=SOON_S)
    [message] = run.messages
    assert message.text == '€' * 4095 + '…'


def test_messages_of_nobody_are_not_found(app):
    with pytest.raises(NotFound):
        app.client.messages('nobody')


def test_messages_can_be_read_while_it_runs(app, worker):
    over = gevent.event.Event()

    @app.task(name='says')
    class Says(Task):
        def start(self):
            self.message('hello')
            over.wait()

    run = app.client.start('says')
    assert run.messages == []
    worker()
    wait_until(lambda: [m.text for m in run.messages] == ['hello'], 'it is kept')
    over.set()
    run.wait(timeout=SOON_S)


def test_messages_of_a_local_run_are_kept(app, worker, redis):
    @app.task(name='local')
    class Local(Task):
        def start(self):
            self.message(self.id)

    app.start_local_task(Local)
    worker()
    wait_until(lambda: redis.zrange('ended-SUCCESS', 0, -1), 'it has ended')
    [run_id] = redis.zrange('ended-SUCCESS', 0, -1)
    assert [message.text for message in app.client.messages(run_id)] == [run_id]
