"""Resources and references as inputs."""

import pytest

from pytask import (
    ConfigError,
    InputError,
    NotGiven,
    PyTask,
    Task,
    reference,
    resource,
)


class Lan:
    pass


class Ping(Task):
    t1: Lan = resource(types=['lan'])
    t2: Lan = resource(types=['lan'], names=['office'], required=False)

    def start(self):
        pass


class Find(Task):
    must: list = reference('devices')
    may: list = reference('devices', required=False)

    def start(self):
        pass


@pytest.fixture
def app():
    app = PyTask('redis://localhost:1/0', tasks='')
    app.add_resource('home', Lan, type='lan')
    app.add_resource('office', Lan, type='lan')
    app.add_resource('db', dict, type='sql')
    return app


def given(app, task, **data):
    inputs = app.registry.inputs(task)
    return inputs.found(inputs.bind(data))


def problems(app, task, **data):
    with pytest.raises(InputError) as caught:
        given(app, task, **data)
    return caught.value.problems


def test_the_data_has_the_name_and_the_task_gets_the_object(app):
    assert given(app, Ping, t1='home') == {'t1': app.resource('home'), 't2': NotGiven}
    assert given(app, Ping, t1='home', t2='office')['t2'] is app.resource('office')


@pytest.mark.parametrize('nothing', ['', None])
def test_a_resource_that_is_not_required_may_be_nothing(app, nothing):
    assert given(app, Ping, t1='home', t2=nothing)['t2'] is NotGiven
    assert [name for name, _ in problems(app, Ping, t1=nothing)] == ['t1']


def test_one_type_or_name_need_not_be_listed(app):
    class One(Task):
        lan: Lan = resource(types='lan', names='office')

        def start(self):
            pass

    assert given(app, One, lan='office')['lan'] is app.resource('office')
    assert problems(app, One, lan='home') == [('lan', "is not a resource of this app: 'home'; there are: office")]


def test_a_bound_method_may_be_added_again_as_a_resolver(app):
    class Library:
        def find(self, text):
            return text

    library = Library()
    app.add_resolver('books', library.find)
    app.add_resolver('books', library.find)
    with pytest.raises(ConfigError, match="two resolvers are named 'books'"):
        app.add_resolver('books', Library().find)


def test_a_resource_that_will_not_do_is_told_with_those_that_will(app):
    assert problems(app, Ping) == [('t1', 'is missing; there are: home, office')]
    assert problems(app, Ping, t1='db') == [('t1', "is not a resource of this app: 'db'; there are: home, office")]
    assert problems(app, Ping, t1='home', t2='home') == [
        ('t2', "is not a resource of this app: 'home'; there are: office")
    ]
    assert problems(app, Ping, t1=5) == [('t1', 'must be the name of a resource, not 5; there are: home, office')]


def test_a_process_without_resources_checks_only_the_names_it_was_told():
    app = PyTask('redis://localhost:1/0', tasks='')
    inputs = app.registry.inputs(Ping)
    assert inputs.bind({'t1': 'anything', 't2': 'office'}) == {'t1': 'anything', 't2': 'office'}
    with pytest.raises(InputError, match='t2  is not a resource of this app'):
        inputs.bind({'t1': 'anything', 't2': 'home'})
    with pytest.raises(InputError, match="t1  is not a resource of this app: 'anything'; there are none"):
        inputs.found({'t1': 'anything'})


def test_the_schema_of_a_resource_has_the_names_there_are(app):
    schema = app.registry.inputs(Ping).schema()
    assert schema['required'] == ['t1']
    assert schema['properties'] == {
        't1': {'type': 'string', 'enum': ['home', 'office']},
        't2': {'type': 'string', 'enum': ['office']},
    }
    assert app.registry.inputs(Ping).usage.endswith('Lan = NotGiven)')


def test_a_resource_in_a_signature(app):
    any_lan = resource()

    @app.task
    def ping(lan=any_lan):
        return lan

    assert given(app, ping.task_class, lan='db') == {'lan': {}}


def test_text_becomes_what_the_resolver_makes_of_it(app):
    app.add_resolver('devices', str.split)
    assert given(app, Find, must='a b') == {'must': ['a', 'b'], 'may': NotGiven}


@pytest.mark.parametrize('nothing', ['', '_', None])
def test_nothing_is_the_default_where_it_may_be_and_missing_where_it_must_not(app, nothing):
    app.add_resolver('devices', str.split, default=('all',))
    assert given(app, Find, must='a', may=nothing)['may'] == ('all',)
    assert given(app, Find, must='a')['may'] == ('all',)
    assert problems(app, Find, must=nothing) == [('must', 'is missing: a reference to devices')]


def test_a_default_that_can_be_called_is_made_for_each_run(app):
    app.add_resolver('devices', str.split, default=list)
    first, second = (given(app, Find, must='a')['may'] for _ in range(2))
    assert first == second == []
    assert first is not second


def test_a_scheme_picks_a_resolver(app):
    app.add_resolver('devices', str.split)
    app.add_resolver('devices/serial', lambda text: [f'serial {text}'])
    assert given(app, Find, must='serial:d0:73')['must'] == ['serial d0:73']
    assert given(app, Find, must='d073')['must'] == ['d073']
    assert problems(app, Find, must='name:x') == [('must', "has no known scheme: 'name:x'; there are: serial")]


def test_without_schemes_a_colon_is_text(app):
    app.add_resolver('devices', str.split)
    assert given(app, Find, must='d0:73')['must'] == ['d0:73']


def test_other_json_is_taken_as_it_is(app):
    app.add_resolver('devices', str.split)
    assert given(app, Find, must=['a', 'b'])['must'] == ['a', 'b']


def test_where_nobody_resolves_the_worker_says_so_and_a_client_does_not(app):
    assert app.registry.inputs(Find).bind({'must': 'a'}) == {'must': 'a'}
    assert problems(app, Find, must='a') == [
        ('must', "has no resolver: 'a'; app.add_resolver('devices', …) adds one")
    ]


def test_a_resolver_can_be_asked_again(app):
    app.add_resolver('devices', str.split, default='all')
    assert app.resolve('devices', 'a b') == ['a', 'b']
    assert app.resolve('devices') == 'all'
    with pytest.raises(InputError, match='has no resolver'):
        app.resolve('lamps', 'a')


def test_two_resolvers_of_one_name_are_refused(app):
    app.add_resolver('devices', str.split)
    app.add_resolver('devices', str.split)
    with pytest.raises(ConfigError, match="two resolvers are named 'devices'"):
        app.add_resolver('devices', str.strip)
