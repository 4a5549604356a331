import subprocess
import sys

import pytest

from pytask import Task, current_task, task
from pytask.authoring.decorator import FunctionTask, as_task_class
from pytask.authoring.task import kebab
from pytask.errors import TaskError


@pytest.mark.parametrize(
    ('name', 'expected'),
    [
        ('Crawl', 'crawl'),
        ('HttpCheck', 'http-check'),
        ('HTTPCheck', 'http-check'),
        ('CheckHTTP', 'check-http'),
        ('http_check', 'http-check'),
        ('Http2Check', 'http2-check'),
        ('_private', 'private'),
        ('ABC', 'abc'),
        ('a', 'a'),
    ],
)
def test_names_in_kebab_case(name, expected):
    assert kebab(name) == expected


def test_a_class_is_named_after_itself():
    class HttpCheck(Task):
        pass

    assert HttpCheck.NAME == 'http-check'


def test_a_subclass_does_not_inherit_the_name():
    class Base(Task):
        NAME = 'site/base'

    class Crawl(Base):
        pass

    assert (Base.NAME, Crawl.NAME) == ('site/base', 'crawl')


def test_a_function_is_a_task_and_stays_callable():
    @task
    def say_hello(name='world'):
        """Say it."""
        return f'hello {name}'

    assert say_hello('you') == 'hello you'
    assert (say_hello.__name__, say_hello.__doc__) == ('say_hello', 'Say it.')
    assert isinstance(say_hello, FunctionTask)
    assert as_task_class(say_hello).NAME == 'say-hello'
    assert as_task_class(say_hello)(name='me').start() == 'hello me'


def test_a_function_takes_policy_by_keyword():
    @task(name='site/f', queue='mail', grace=3, timeout=5, graceful=True)
    def f():
        pass

    made = f.task_class
    assert (made.NAME, made.QUEUE, made.GRACE, made.TIMEOUT, made.graceful) == ('site/f', 'mail', 3, 5, True)


def test_a_class_takes_policy_by_keyword_and_stays_itself():
    class Crawl(Task):
        pass

    assert task(queue='mail', expose=True, redact=('key',))(Crawl) is Crawl
    assert task(Crawl) is Crawl
    assert (Crawl.NAME, Crawl.QUEUE, Crawl.EXPOSE, Crawl.REDACT) == ('crawl', 'mail', True, ('key',))


@pytest.mark.parametrize('target', [lambda: None, type('Crawl', (Task,), {})])
def test_an_unknown_policy_is_refused_where_it_stands(target):
    with pytest.raises(TypeError, match='@task has no keyword colour, retries'):
        task(retries=3, colour='red')(target)


def test_a_class_that_is_no_task_is_refused():
    with pytest.raises(TypeError, match=r'needs a subclass of .*: .*Plain'):

        @task
        class Plain:
            pass


@pytest.mark.parametrize('thing', [None, 5, 'crawl', object, print, Task()])
def test_other_things_stand_for_no_task(thing):
    assert as_task_class(thing) is None


def test_outside_a_run_there_is_no_current_task():
    assert current_task() is None


def test_outside_a_run_a_task_prints(capsys):
    here = Task()
    here.emit('page', {'url': 'x'})
    here.progress(3)
    here.progress(3, target=10)
    here.message('hi')
    assert capsys.readouterr().out == "page {'url': 'x'}\nprogress 3\nprogress 3 of 10\nmessage hi\n"


def test_outside_a_run_each_task_counts_for_itself(capsys):
    one, other = Task(), Task()
    one.inc_progress()
    one.inc_progress(2)
    other.inc_progress()
    one.set_target(5)
    assert capsys.readouterr().out == 'progress 1\nprogress 3\nprogress 1\nprogress 3 of 5\n'


def test_outside_a_run_a_task_may_emit_in_its_init(capsys):
    class Eager(Task):
        def __init__(self):
            self.message('made')

    Eager()
    assert capsys.readouterr().out == 'message made\n'


def test_outside_a_run_waiting_works():
    here = Task()
    here.sleep(0)
    here.join()
    assert here.offload(max, 1, 2) == 2
    assert [turn for turn, _ in zip(here.every(0.001), range(3), strict=False)] == [0, 1, 2]
    assert (here.id, here.attempt, here.stopping.is_set()) == ('', 0, False)


def test_outside_a_run_every_ends_when_it_is_told_to_stop():
    class Ends(Task):
        pass

    here = Ends()
    turns = here.every(0.001)
    next(turns)
    here.stopping.set()
    try:
        assert list(turns) == []
    finally:
        here.stopping.clear()


def test_outside_a_run_spawn_says_what_to_do():
    with pytest.raises(RuntimeError, match='spawn: only inside a run: start this task with'):
        Task().spawn(print)


@pytest.mark.parametrize('name', ['client', 'redis', 'app'])
def test_outside_a_run_there_is_nothing_to_talk_to(name):
    with pytest.raises(AttributeError, match=f'{name}: only inside a run'):
        getattr(Task(), name)


def test_progress_counts_whole_units_outside_a_run_too():
    with pytest.raises(TypeError):
        Task().progress(0.5)


@pytest.mark.parametrize('name', ['id', 'attempt', 'stopping', 'log', 'app', 'client', 'redis', 'target', 'data'])
def test_a_task_may_use_any_name_for_its_own(name):
    class Own(Task):
        def __init__(self):
            setattr(self, name, 5)

    assert getattr(Own(), name) == 5


def test_a_task_with_a_port_of_its_own_can_still_emit(capsys):
    class HttpCheck(Task):
        def __init__(self, host, port):
            self.host, self.port = host, port

    check = HttpCheck('localhost', 8080)
    check.message('hi')
    assert check.port == 8080
    assert capsys.readouterr().out == 'message hi\n'


def test_expected_trouble_is_raised_as_the_tasks_error():
    assert Task.Error is TaskError
    assert issubclass(TaskError, Exception)


@pytest.mark.parametrize('order', ['task, Task', 'Task, task'])
def test_the_decorator_is_imported_in_any_order(order):
    code = f'from pytask import {order}\n@task\ndef f(): pass\nprint(f.task_class.NAME)'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False)
    assert done.stdout == 'f\n', done.stderr
