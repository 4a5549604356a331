"""Every sample of the chapter "Tasks" of a task API for web sites, as a test on the public API.

==================================  ==========================================================================
There                               Here
==================================  ==========================================================================
``name``                            the same, or ``NAME``
``inputs``, ``outputs``             the same: dicts of parameters
``StringParameter()``, ``Int…``     ``String()``, ``Int()``, ``Float()``, ``Number()``, ``Boolean()``, ``Dict()`` of
                                    ``pytask.params``; ``ListParameter(type)`` is ``List(type)``
``required=False``                  the same; then `run` needs a default, and a task without is refused
``run(self, …)``                    the same: `start` calls it with the inputs
the return value of ``run``         the output, always as the mapping of the declared ``outputs``
``set_target``, ``set_progress``    the same; ``inc_progress`` and ``add_message`` too
statuses pending, running,          WAIT, RUNNING, SUCCESS, and ERROR (bad data) or EXCEPTION
succeeded, failed
``TASK_API_BACKGROUND_TASKS``       ``app.add_task``, or the folder of tasks; for the web: what is exposed
``…_AUTHENTICATION_CLASSES``, and    a matter of the web server, and tested there: its ``auth=``
``…_PERMISSIONS_CLASSES``
==================================  ==========================================================================

Mended: ``run`` stands outside of its class and lacks ``self``; ``inputs`` and ``outputs`` are written as lists with
``name: value`` in them; a comma and a quote are missing; ``tell()`` inside ``for line in file`` is an OSError in
Python 3, so the file is read by ``iter(file.readline, '')``.
"""

import os

import pytest

from pytask import ConfigError, InputError, State, Task
from pytask.params import Int, List, String

pytestmark = pytest.mark.timeout(60)


class MyTask(Task):
    name = 'my-task'

    inputs = {'name': String(), 'count': Int(required=False)}

    outputs = {'output': String()}

    def run(self, name, count=5):
        # Do stuff here
        self.seen = (name, count)
        return f'Some output for {name!r}, {count!r}'


@pytest.fixture
def ended(app, worker):
    """Add a task, run it with some data, return the run at its end."""

    def run(task, **data):
        app.add_task(task)
        worker()
        return app.client.start(task, data).wait(timeout=10)

    return run


def test_a_basic_task(ended):
    run = ended(MyTask, name='you')
    assert (run.task, run.state, run.output) == ('my-task', State.SUCCESS, {'output': "Some output for 'you', 5"})


def test_values_are_converted(ended):
    assert ended(MyTask, name=6, count='6').output == {'output': "Some output for '6', 6"}


def test_invalid_values_are_told_to_the_client_and_nothing_is_started(app, redis):
    app.add_task(MyTask)
    with pytest.raises(InputError) as caught:
        app.client.start('my-task', {'count': 'not a number', 'other': 1})
    assert caught.value.problems == [
        ('count', "must be a whole number, not 'not a number'"),
        ('other', 'is not an input'),
        ('name', 'is missing'),
    ]
    assert redis.keys('*') == []


def test_invalid_values_of_who_did_not_ask_the_task_are_an_error(app, worker, redis):
    app.add_task(MyTask)
    worker()
    redis.hset('task-42', mapping={'task': 'my-task', 'data': '{"count": "x"}'})
    redis.lpush('new-task', '42')
    run = app.client.get('42').wait(timeout=10)
    assert run.state is State.ERROR
    assert run.output.splitlines()[:3] == [
        'invalid inputs for `my-task`',
        "  count  must be a whole number, not 'x'",
        '  name  is missing',
    ]


def test_a_list_has_elements_of_a_type(ended):
    class Listed(Task):
        name = 'listed'
        inputs = {'items': List(String())}

        def run(self, items):
            return items

    assert ended(Listed, items=['a', 5]).output == ['a', '5']


def test_an_input_that_is_nice_to_have(app, worker):
    class Wishes(Task):
        name = 'wishes'
        inputs = {'must_have': String(required=True), 'nice_to_have': String(required=False)}

        def run(self, must_have, nice_to_have=None):
            return [must_have, nice_to_have]

    app.add_task(Wishes)
    worker()
    assert app.client.start('wishes', {'must_have': 'a'}).wait(timeout=10).output == ['a', None]
    both = {'must_have': 'a', 'nice_to_have': 'b'}
    assert app.client.start('wishes', both).wait(timeout=10).output == ['a', 'b']
    with pytest.raises(InputError, match='must_have  is missing'):
        app.client.start('wishes', {'nice_to_have': 'b'})


def test_an_input_that_is_not_required_must_have_a_default(app):
    class Wishes(Task):
        name = 'wishes'
        inputs = {'nice_to_have': String(required=False)}

        def run(self, nice_to_have):
            pass

    with pytest.raises(ConfigError, match="input 'nice_to_have' is required=False, so run needs a default"):
        app.add_task(Wishes)


def test_a_single_output_may_be_returned_as_it_is(ended):
    class Single(Task):
        name = 'single'
        outputs = {'out': String()}

        def run(self):
            return 'Foo'

    assert ended(Single).output == {'out': 'Foo'}


class Several(Task):
    name = 'several'
    inputs = {'lacks': String(required=False)}
    outputs = {'out': String(), 'count': Int()}

    def run(self, lacks=None):
        return {'out': 'Foo', 'count': 5} if lacks is None else {lacks: 5}


def test_several_outputs_are_returned_as_a_dict(ended):
    assert ended(Several).output == {'out': 'Foo', 'count': 5}


def test_a_missing_or_unknown_output_is_an_exception(ended):
    run = ended(Several, lacks='other')
    assert (run.state, run.output['type']) == (State.EXCEPTION, 'OutputError')
    assert run.output['message'].splitlines() == [
        '`several` promises another output',
        '  output.other  is not declared',
        '  output.out  is missing',
        '  output.count  is missing',
    ]


def test_progress_through_a_file(app, ended, tmp_path):
    path = tmp_path / 'lines.txt'
    path.write_text('one\ntwo\nthree\n')
    lines = []

    def process_line(line):
        lines.append(line)

    class Progress(Task):
        name = 'progress'

        def run(self):
            with path.open('r') as f:
                f.seek(0, os.SEEK_END)
                self.set_target(f.tell())
                f.seek(0, os.SEEK_SET)

                for line in iter(f.readline, ''):
                    process_line(line)
                    self.set_progress(f.tell())

    run = ended(Progress)
    assert run.state is State.SUCCESS
    assert (run.progress, run.target) == (14, 14)
    assert lines == ['one\n', 'two\n', 'three\n']


def test_progress_and_messages_reach_who_watches_and_who_comes_later(app, worker):
    class Tells(Task):
        name = 'tells'

        def run(self):
            self.set_target(3)
            for n in range(3):
                self.inc_progress()
                self.add_message(f'did {n}')

    app.add_task(Tells)
    worker()
    run_id = app.client.new_id()
    events = app.client.events(run_id, timeout=10)
    run = app.client.start('tells', run_id=run_id)
    told = [(e.event, e.data) for e in events if e.event in ('progress', 'message')]
    assert told[:3] == [
        ('progress', {'progress': 0, 'target': 3}),
        ('progress', {'progress': 1, 'target': None}),
        ('message', 'did 0'),
    ]
    run.wait(timeout=10)
    assert (run.progress, run.target) == (3, 3)
    assert [message.text for message in run.messages] == ['did 0', 'did 1', 'did 2']
    assert run.started <= run.messages[0].at <= run.messages[-1].at <= run.ended


@pytest.mark.parametrize('tell', ['set_target', 'set_progress', 'inc_progress'])
def test_target_and_progress_are_integers(ended, tell):
    class Half(Task):
        name = 'half'

        def run(self):
            getattr(self, tell)(0.5)

    run = ended(Half)
    assert (run.state, run.output['type']) == (State.EXCEPTION, 'TypeError')
    assert run.progress is None
