"""A function is a task too: `@task`, with and without an app."""

import subprocess
import sys

import pytest
from support import SOON_S

from pytask import State, Task, current_task, task

SCRIPT = """
from pytask import task

@task
def hello(name: str = 'world'):
    return f'hello {name}'

print(hello.apply(name='you').id)
"""


def test_a_decorated_function_stays_callable():
    """The decorator takes nothing away: tests and other code call the function as before."""

    @task
    def hello(name='world'):
        """Say hello."""
        return f'hello {name}'

    assert hello(name='you') == 'hello you'
    assert hello('me') == 'hello me'
    assert (hello.__name__, hello.__doc__) == ('hello', 'Say hello.')


def test_apply_needs_no_app(app, worker, processes):
    """Without an app, `apply` starts its run through the Redis that PYTASK_REDIS names."""

    @app.task
    def hello(name: str = 'world'):
        return f'hello {name}'

    worker()
    script = subprocess.run(
        [sys.executable, '-c', SCRIPT], env=processes.environment(), cwd=processes.folder,
        capture_output=True, text=True, check=True, timeout=20,
    )  # fmt: skip
    (run,) = app.client.wait(script.stdout.strip(), timeout=SOON_S)
    assert run.output == 'hello you'


def test_apply_of_an_apps_task_uses_that_app(app, worker):
    """What was added to an app starts its runs there."""

    @app.task
    def double(n: int):
        return 2 * n

    worker()
    assert double.apply(n=21).wait(timeout=SOON_S).output == 42


def test_a_class_can_be_decorated(app, worker):
    """On a class the decorator sets policy, and gives the class back."""

    @task(name='site/check', queue='checks')
    class Check(Task):
        def start(self):
            return self.QUEUE

    app.add_task(Check)
    assert issubclass(Check, Task)
    run = app.client.start('site/check')
    assert (run.task, run.queue) == ('site/check', 'checks')


def test_policy_is_given_as_keywords(app):
    """`name`, `queue`, `grace`, `timeout` and `graceful` have the meaning of the class attributes."""

    @app.task(name='mail/send', queue='mail', grace=3, timeout=60, graceful=True)
    def send():
        return None

    made = send.task_class
    assert (made.NAME, made.QUEUE, made.GRACE, made.TIMEOUT, made.graceful) == ('mail/send', 'mail', 3, 60, True)


def test_an_unknown_policy_is_an_error_that_names_it():
    with pytest.raises(TypeError, match='@task has no keyword retries'):
        task(retries=3)


def test_a_function_finds_its_run_in_current_task(app, worker):
    """A function has no `self`; `current_task()` is what a method's `self` would be."""

    @app.task
    def count():
        current_task().progress(1, target=2)
        return current_task().attempt

    worker()
    run = count.apply().wait(timeout=SOON_S)
    assert (run.state, run.output, run.progress, run.target) == (State.SUCCESS, 1, 1, 2)


def test_names_come_from_the_class_in_kebab_case(app, worker):
    """Without a NAME a task is called after its class, and answers to its full Python name as well."""

    class HttpCheck(Task):
        def start(self):
            return self.NAME

    app.add_task(HttpCheck)
    worker()
    full = f'{HttpCheck.__module__}.{HttpCheck.__qualname__}'
    runs = [app.client.start('http-check'), app.client.start(full)]
    assert [run.output for run in app.client.wait(*runs, timeout=SOON_S)] == ['http-check', 'http-check']
