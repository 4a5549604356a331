from pathlib import Path

import pytest

from pytask import Task, task
from pytask.authoring.registry import Registry, find
from pytask.core.names import no_such_task
from pytask.errors import ConfigError, NotFound

HERE = Path(__file__).name


def named(name, **attributes):
    return type('Some', (Task,), {'NAME': name, 'start': lambda self: None, **attributes})


@pytest.fixture
def registry():
    return Registry()


def test_a_task_answers_to_its_name_and_to_its_place(registry):
    class Crawl(Task):
        NAME = 'site/crawl'

        def start(self):
            pass

    registry.add(Crawl)
    place = f'{__name__}.{Crawl.__qualname__}'
    assert registry.get('site/crawl') is registry.get(place) is Crawl
    assert registry.names() == ['site/crawl']
    assert set(registry.answers_to()) == {'site/crawl', place}
    assert list(registry) == [Crawl]


def test_a_decorated_function_is_added_as_its_class(registry):
    @task
    def hello(name):
        pass

    assert registry.add(hello) is hello.task_class
    assert registry.inputs(hello.task_class).usage == 'hello(name)'


def test_adding_again_changes_nothing(registry):
    crawl = named('crawl')
    assert registry.add(crawl) is registry.add(crawl)
    assert registry.names() == ['crawl']


def test_a_clash_of_names_tells_both_places(registry):
    @task(name='same')
    def one():
        pass

    @task(name='same')
    def two():
        pass

    registry.add(one)
    lines = [one.function.__code__.co_firstlineno, two.function.__code__.co_firstlineno]
    with pytest.raises(ConfigError) as caught:
        registry.add(two)
    assert "two tasks are named 'same'" in str(caught.value)
    assert [f'{HERE}:{line}' in str(caught.value) for line in lines] == [True, True]


@pytest.mark.parametrize('thing', [None, 5, 'crawl', print, object])
def test_what_is_no_task_is_refused(registry, thing):
    with pytest.raises(ConfigError, match='not a task'):
        registry.add(thing)


def test_the_base_class_is_no_task_to_add(registry):
    with pytest.raises(ConfigError):
        registry.add(Task)


def test_a_class_without_start_is_refused_with_its_place(registry):
    class Base(Task):
        pass

    with pytest.raises(ConfigError, match=rf"{HERE}:\d+: task 'base' has no start method"):
        registry.add(Base)


@pytest.mark.parametrize('name', ['', 'a b', 'a\n', 'x' * 201, None, 5, ['a']])
def test_a_name_has_1_to_200_printable_characters(registry, name):
    with pytest.raises(ConfigError, match='NAME must be'):
        registry.add(named(name))


@pytest.mark.parametrize('name', ['x' * 200, 'site/crawl', 'ü', 'a.b:c'])
def test_such_names_are_taken(registry, name):
    assert name == registry.add(named(name)).NAME


def test_names_of_pytask_itself_are_refused(registry):
    with pytest.raises(ConfigError, match="names that begin with 'pytask/' are reserved for pytask"):
        registry.add(named('pytask/monitor'))


async def coroutine(self):
    pass


def generator(self):
    yield


async def async_generator(self):
    yield


@pytest.mark.parametrize('start', [coroutine, generator, async_generator])
def test_only_a_plain_start_is_taken(registry, start):
    with pytest.raises(ConfigError, match='must be a plain function, not async and not a generator'):
        registry.add(named('some', start=start))


@pytest.mark.parametrize('function', [coroutine, generator, async_generator])
def test_only_a_plain_function_is_taken(registry, function):
    with pytest.raises(ConfigError, match='must be a plain function'):
        registry.add(task(function))


def test_a_signature_that_data_can_not_fill_is_refused(registry):
    def f(a, /):
        pass

    with pytest.raises(ConfigError, match='positional-only'):
        registry.add(task(f))
    assert registry.names() == []


def test_near_names_are_told():
    assert no_such_task('helo', ['hello', 'crawl']) == 'no worker knows "helo"; did you mean "hello"?'
    assert no_such_task('crawk', ['crawl', 'crawls']).endswith('did you mean "crawl" or "crawls"?')
    assert no_such_task('xyz', ['hello']) == 'no worker knows "xyz"'


def test_finding_what_nobody_knows_tells_the_near_names(registry):
    registry.add(named('hello'))
    assert find(registry, 'hello').NAME == 'hello'
    with pytest.raises(NotFound, match='did you mean "hello"'):
        find(registry, 'helo')


@pytest.mark.parametrize(
    ('policy', 'value', 'wanted'),
    [
        ('QUEUE', 'a b', 'the name of a queue'),
        ('QUEUE', None, 'the name of a queue'),
        ('TIMEOUT', '5', 'seconds, or None'),
        ('TIMEOUT', -1, 'seconds, or None'),
        ('GRACE', True, 'seconds, or None'),
        ('on_partition', 'maybe', "'stop' or 'keep'"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused_with_its_place(policy, value, wanted):
    odd = type('Odd', (Task,), {'start': lambda self: None, policy: value})
    with pytest.raises(ConfigError) as caught:
        Registry().add(odd)
    assert str(caught.value).endswith(f"{policy} of 'odd' must be {wanted}, not {value!r}")


def test_a_function_may_keep_on_through_a_partition():
    @task(on_partition='keep')
    def feed():
        pass

    assert Registry().add(feed).on_partition == 'keep'
