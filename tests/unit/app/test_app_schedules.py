"""Schedules as code declares them."""

import json

import pytest

from pytask import ConfigError, InputError, PyTask, Task, task
from pytask.authoring.decorator import FunctionTask
from pytask.schedules.triggers import Every


@pytest.fixture
def app():
    return PyTask('redis://localhost:1/0')


def hello(name='world'):
    return f'hello {name}'


def only(app):
    [declared] = app.schedules.values()
    return declared


def test_a_function_becomes_a_task_of_the_app_and_stays_callable(app):
    made = app.cron('*/5 * * * *', tz='UTC')(hello)
    assert isinstance(made, FunctionTask)
    assert (made(), app.registry.names()) == ('hello world', ['hello'])
    assert only(app)[:4] == ('hello', 'hello', 'default', b'{}')
    assert str(only(app).trigger) == '*/5 * * * *'


def test_a_class_stays_that_class(app):
    class Crawl(Task):
        QUEUE = 'mail'

        def start(self):
            pass

    assert app.every(30, name='often')(Crawl) is Crawl
    assert only(app)[:3] == ('often', 'crawl', 'mail')


def test_a_task_stays_that_task_and_may_have_several_schedules(app):
    made = app.task(hello)
    assert app.every(30, name='often')(made) is made
    assert app.date('2030-01-01', data={'name': 'you'})(made) is made
    assert sorted(app.schedules) == ['hello', 'often']
    assert app.schedules['hello'].data == b'{"name":"you"}'


def test_fields_are_given_by_name(app):
    app.cron(month='6-8,11-12', day='3rd fri', hour='0-3')(hello)
    assert str(only(app).trigger) == "month='6-8,11-12', day='3rd fri', hour='0-3'"


def test_a_zone_is_given_by_either_word(app):
    app.cron('@daily', tz='Asia/Tokyo', name='a')(hello)
    app.cron(hour=3, timezone='Asia/Tokyo', name='b')(app.registry.get('hello'))
    assert {declared.trigger.tz for declared in app.schedules.values()} == {'Asia/Tokyo'}


def test_args_are_bound_to_the_names_of_inputs(app):
    def email(to, subject='hi', **more):
        pass

    app.date('2030-01-01', args=['email@email.com'], data={'subject': 'yes', 'more': 1})(email)
    assert json.loads(only(app).data) == {'to': 'email@email.com', 'subject': 'yes', 'more': 1}


@pytest.mark.parametrize(('args', 'data', 'why'), [
    (['a'], None, 'args  are 1 by position; takes-more takes none'), ([], {'x': 1}, 'x  is not an input'),
    ([1, 2], None, 'args  are 2 by position; takes-one takes 1'),
])  # fmt: skip
def test_what_the_task_does_not_take_is_refused(app, args, data, why):
    def takes_one(n: int):
        pass

    def takes_more(**more):
        pass

    target = takes_one if data or len(args) == 2 else takes_more
    with pytest.raises(InputError, match=why):
        app.date('2030-01-01', args=args, data=data)(target)
    assert not app.schedules


def test_what_is_given_twice_or_not_at_all_is_refused(app):
    @app.task
    def takes_one(n: int):
        pass

    with pytest.raises(InputError, match='n  is given by position and by name'):
        app.every(30, args=[1], data={'n': 2})(takes_one)
    with pytest.raises(InputError, match='n  is missing'):
        app.every(30)(takes_one)


def test_text_and_fields_together_are_refused(app):
    with pytest.raises(ConfigError, match='takes no fields besides: hour'):
        app.cron('* * * * *', hour=3)


def test_two_of_one_name_are_refused(app):
    app.every(30)(hello)
    with pytest.raises(ConfigError, match=r"two schedules are named 'hello'; give one of them another name"):
        app.every(60)(app.registry.get('hello'))


def test_the_same_again_changes_nothing(app):
    made = task(hello)
    app.add_schedule(made, Every(30))
    app.add_schedule(made, Every(30))
    assert len(app.schedules) == 1


def test_a_bad_name_is_refused(app):
    with pytest.raises(ConfigError, match='the name of a schedule must be'):
        app.every(30, name='two words')(hello)


def test_own_tasks_have_no_schedule(app):
    from pytask import Monitor

    with pytest.raises(ConfigError, match="one of pytask's own tasks"):
        app.every(30)(Monitor)
