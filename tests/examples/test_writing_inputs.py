"""Inputs and outputs: what data may be, what comes back, and what the errors teach."""

import pytest
from support import SOON_S

from pytask import ConfigError, InputError, State, Task


def test_annotated_inputs_are_converted(app, worker):
    """Annotations are obeyed, laxly where that is safe: a number typed as text is a number."""

    @app.task
    def add(a: int, b: float, names: list[str] | None = None):
        return [a, b, names]

    worker()
    assert add.apply(a='6', b=1, names=['x']).wait(timeout=SOON_S).output == [6, 1.0, ['x']]


def test_annotated_class_fields_are_inputs(app, worker):
    """A class may declare its inputs as fields instead of writing an `__init__`."""

    class Crawl(Task):
        url: str
        depth: int = 2

        def start(self):
            return [self.url, self.depth]

    app.add_task(Crawl)
    worker()
    assert app.client.start(Crawl, {'url': 'x'}).wait(timeout=SOON_S).output == ['x', 2]


def test_a_signature_with_kwargs_takes_anything(app, worker):
    @app.task
    def anything(**data):
        return data

    worker()
    assert anything.apply(a=1, b=[None]).wait(timeout=SOON_S).output == {'a': 1, 'b': [None]}


@pytest.mark.parametrize(
    'value', [None, True, 0, -1.5, 'text', '', [1, [2]], {'a': {'b': None}}, 2**70, 'ünïcode \0']
)
def test_every_json_value_comes_back_as_it_was(app, worker, value):
    """What `start` returns is the output, whatever JSON type it is."""

    @app.task
    def echo(value):
        return value

    worker()
    run = echo.apply(value=value).wait(timeout=SOON_S)
    assert (run.state, run.data, run.output) == (State.SUCCESS, {'value': value}, value)
    assert type(run.output) is type(value)


def test_data_is_checked_before_anything_is_enqueued(app, redis):
    """All problems are told at once, and how it would be right."""

    @app.task
    def crawl(url: str, depth: int = 2):
        return None

    with pytest.raises(InputError) as caught:
        crawl.apply(depth='deep', colour='red')
    text = str(caught.value)
    assert text.splitlines()[0] == 'invalid inputs for `crawl`'
    assert [name for name, _ in caught.value.problems] == ['depth', 'colour', 'url']
    assert 'url  is missing' in text
    assert 'colour  is not an input' in text
    assert 'usage  crawl(url: str, depth: int = 2)' in text
    assert redis.llen('new-task') == 0


def test_data_for_a_task_without_inputs_says_that_it_declares_none(app):
    class Plain(Task):
        def start(self):
            return None

    app.add_task(Plain)
    with pytest.raises(InputError, match='name  is not taken: `plain` declares no inputs'):
        app.client.start(Plain, {'name': 'you'})


@pytest.mark.parametrize(
    'value', [object(), float('nan'), [float('inf')], '\ud800'], ids=['object', 'nan', 'inf', 'surrogate']
)
def test_data_that_json_can_not_carry_is_refused_at_the_start(app, value):
    @app.task
    def anything(**data):
        return data

    with pytest.raises(InputError, match='data  is not JSON'):
        anything.apply(value=value)


@pytest.mark.parametrize('value', ['text', 3, ['x'], []], ids=repr)
def test_data_is_one_dict(app, value):
    @app.task
    def anything(**data):
        return data

    with pytest.raises(InputError, match=f'data  is {type(value).__name__}, not a dict'):
        app.client.start('anything', value)


def test_a_class_without_start_is_no_task(app):
    class Half(Task):
        def stop(self):
            return None

    with pytest.raises(ConfigError, match=r"test_writing_inputs.py:\d+: task 'half' has no start method"):
        app.add_task(Half)


def test_two_tasks_of_one_name_are_refused_naming_both_places(app):
    class One(Task):
        NAME = 'same'

        def start(self):
            return 1

    class Two(One):
        NAME = 'same'

    app.add_task(One)
    app.add_task(One)  # the same again changes nothing
    with pytest.raises(ConfigError, match=r"two tasks are named 'same': .*:\d+ and .*:\d+"):
        app.add_task(Two)


def test_what_is_no_task_is_refused_saying_what_would_be(app):
    with pytest.raises(ConfigError, match='or decorate it with @task'):
        app.add_task(print)


def test_an_async_function_is_refused(app):
    async def later():
        return None

    with pytest.raises(ConfigError, match="'later' must be a plain function, not async and not a generator"):
        app.task(later)


def test_names_below_pytask_are_kept(app):
    class Mine(Task):
        NAME = 'pytask/mine'

        def start(self):
            return None

    with pytest.raises(ConfigError, match="names that begin with 'pytask/' are reserved for pytask"):
        app.add_task(Mine)
