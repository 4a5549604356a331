"""Parameter objects: their table of conversions, and what tasks with `inputs` and `run` may look like."""

from datetime import UTC, datetime

import pytest

from pytask import ConfigError, InputError, Task
from pytask.authoring.registry import Registry
from pytask.errors import OutputError
from pytask.schema.outputs import outputs_of
from pytask.schema.params import (
    Boolean,
    Dict,
    Float,
    Int,
    List,
    Number,
    Parameter,
    String,
)
from pytask.schema.problems import Misfit
from pytask.schema.signatures import inputs_of

HUGE = 10**400  # no float reaches it
SHOWN = '1' + '0' * 36 + '...'


class Copy(Task):
    name = 'copy'
    inputs = {'path': String(), 'times': Int(required=False)}
    outputs = {'copies': List(String())}

    def run(self, path, times=1):
        return [f'{path}.{n}' for n in range(times)]


@pytest.mark.parametrize(
    ('parameter', 'given', 'converted'),
    [
        (Parameter(), {'any': None}, {'any': None}),
        (String(), 'foo', 'foo'),
        (String(), 5, '5'),
        (String(), 5.5, '5.5'),
        (Number(), 5, 5),
        (Number(), 5.0, 5.0),
        (Number(), '5', 5),
        (Number(), '5.3', 5.3),
        (Int(), 5, 5),
        (Int(), 5.2, 5),
        (Int(), '5.2', 5),
        (Int(), '3.0', 3),
        (Int(), '9007199254740993', 2**53 + 1),  # more digits than a float has
        (Number(), '-1234567890123456789', -1234567890123456789),
        (Float(), 5, 5.0),
        (Float(), '5.2', 5.2),
        (Boolean(), True, True),
        (Boolean(), 'true', True),
        (Boolean(), 'False', False),
        (Boolean(), 1, True),
        (Boolean(), 0, False),
        (List(String()), ['1', 2], ['1', '2']),
        (List(String()), 2, ['2']),
        (List(String()), 'x', ['x']),
        (List(List(Int())), '5', [[5]]),
        (Dict(), {'1': 'one'}, {'1': 'one'}),
        (Dict(), [1, 2], [1, 2]),
    ],
)
def test_the_table(parameter, given, converted):
    made = parameter.convert(given)
    assert (made, type(made)) == (converted, type(converted))


@pytest.mark.parametrize(
    ('parameter', 'given', 'path', 'what'),
    [
        (String(), [1], '', 'must be text or a number, not [1]'),
        (String(), None, '', 'must be text or a number, not None'),
        (String(), True, '', 'must be text or a number, not True'),
        (Number(), 'foo', '', "must be a number, not 'foo'"),
        (Number(), 'nan', '', "must be a number, not 'nan'"),
        (Number(), 'inf', '', "must be a number, not 'inf'"),
        (Number(), '1_0', '', "must be a number, not '1_0'"),
        (Number(), '1e400', '', "must be a number, not '1e400'"),
        (String(), HUGE, '', f'must be text or a number, not {SHOWN}'),
        (Int(), HUGE, '', f'must be a whole number, not {SHOWN}'),
        (Int(), str(HUGE), '', f"must be a whole number, not '{SHOWN[:-4]}..."),
        (Float(), HUGE, '', f'must be a number, not {SHOWN}'),
        (Int(), 'six', '', "must be a whole number, not 'six'"),
        (Int(), None, '', 'must be a whole number, not None'),
        (Float(), [], '', 'must be a number, not []'),
        (Boolean(), 'foo', '', "must be true or false, not 'foo'"),
        (Boolean(), '', '', "must be true or false, not ''"),
        (Boolean(), 2, '', 'must be true or false, not 2'),
        (Boolean(), None, '', 'must be true or false, not None'),
        (List(List(Int())), [['1', 'x']], '[0][1]', "must be a whole number, not 'x'"),
        (Dict(), 5, '', 'must be an object or a list, not 5'),
    ],
)
def test_what_is_not_in_the_table(parameter, given, path, what):
    with pytest.raises(Misfit) as caught:
        parameter.convert(given)
    assert caught.value.problems == ((path, what),)


def test_such_a_class_is_a_task():
    registry = Registry()
    registry.add(Copy)
    assert registry.get('copy') is Copy
    inputs = registry.inputs(Copy)
    assert inputs.usage == 'copy(path: String, times: Int = 1)'
    assert inputs.bind({'path': 5, 'times': '2.9'}) == {'path': '5', 'times': 2}
    assert inputs.named(['x', 2]) == {'path': 'x', 'times': 2}
    assert inputs.schema() == {
        'type': 'object',
        'properties': {'path': {'type': 'string'}, 'times': {'type': 'integer', 'default': 1}},
        'required': ['path'],
        'additionalProperties': False,
    }


def test_all_problems_are_told_at_once():
    class Many(Task):
        name = 'many'
        inputs = {'items': List(Int()), 'path': String(), 'is_deep': Boolean()}

        def run(self, items, path, is_deep):
            pass

    with pytest.raises(InputError) as caught:
        inputs_of(Many).bind({'items': ['x', 1, None], 'is_deep': 'perhaps', 'more': 1})
    assert caught.value.problems == [
        ('items[0]', "must be a whole number, not 'x'"),
        ('items[2]', 'must be a whole number, not None'),
        ('is_deep', "must be true or false, not 'perhaps'"),
        ('more', 'is not an input'),
        ('path', 'is missing'),
    ]


def test_without_inputs_none_are_taken_and_without_outputs_any_json_is_left():
    class Plain(Task):
        name = 'plain'

        def run(self):
            return [1]

    assert inputs_of(Plain).bind({}) == {}
    with pytest.raises(InputError, match='declares no inputs'):
        inputs_of(Plain).bind({'a': 1})
    assert outputs_of(Plain).fit([1]) == [1]


def promising(**outputs):
    return outputs_of(type('Some', (Task,), {'name': 'some', 'outputs': outputs, 'run': lambda self: None}))


@pytest.mark.parametrize(
    ('outputs', 'value', 'stored'),
    [
        ({'out': String()}, 'Foo', {'out': 'Foo'}),
        ({'out': String()}, {'out': 'Foo'}, {'out': 'Foo'}),
        ({'out': Dict()}, {'other': 1}, {'out': {'other': 1}}),
        ({'out': Dict()}, {'out': 1, 'other': 1}, {'out': {'out': 1, 'other': 1}}),
        ({'out': List(Int())}, ('1', 2), {'out': [1, 2]}),
        ({'out': String(required=False)}, None, {}),
        ({'out': String(), 'count': Int()}, {'out': 'Foo', 'count': '5'}, {'out': 'Foo', 'count': 5}),
        ({'out': String(), 'count': Int(required=False)}, {'out': 'Foo'}, {'out': 'Foo'}),
    ],
)
def test_the_output_is_always_the_mapping(outputs, value, stored):
    assert promising(**outputs).fit(value) == stored


@pytest.mark.parametrize(
    ('outputs', 'value', 'problems'),
    [
        ({'out': Int()}, 'x', [('output.out', "must be a whole number, not 'x'")]),
        ({'out': Int()}, None, [('output.out', 'must be a whole number, not None')]),
        ({'a': Int(), 'b': Int()}, 5, [('output', 'must be a dict with a, b, not 5')]),
        (
            {'a': Int(), 'b': List(Int())},
            {'b': ['x'], 'c d': 1},
            [
                ('output["c d"]', 'is not declared'),
                ('output.a', 'is missing'),
                ('output.b[0]', "must be a whole number, not 'x'"),
            ],
        ),
    ],
)
def test_another_output_is_told_with_its_paths(outputs, value, problems):
    with pytest.raises(OutputError) as caught:
        promising(**outputs).fit(value)
    assert caught.value.problems == problems


def test_the_schema_of_declared_outputs():
    assert promising(out=List(String()), n=Number(required=False)).schema() == {
        'type': 'object',
        'properties': {'out': {'type': 'array', 'items': {'type': 'string'}}, 'n': {'type': 'number'}},
        'required': ['out'],
        'additionalProperties': False,
    }


def test_without_declared_outputs_the_annotation_of_run_counts():
    class Count(Task):
        name = 'count'

        def run(self) -> int:
            return 1

    assert outputs_of(Count).schema() == {'type': 'integer'}


@pytest.mark.parametrize(
    ('parameter', 'value', 'kept'),
    [
        (List(Int()), {1}, [1]),
        (List(Int()), (1, 2), [1, 2]),
        (Dict(), (1, 2), [1, 2]),
        (String(), datetime(2026, 1, 2, tzinfo=UTC), '2026-01-02T00:00:00Z'),
    ],
)
def test_what_is_left_is_converted_as_the_json_that_it_becomes(parameter, value, kept):
    promised = outputs_of(
        type('Some', (Task,), {'name': 'some', 'outputs': {'it': parameter}, 'run': lambda self: None})
    )
    assert promised.fit(value) == {'it': kept}
    with pytest.raises(TypeError):
        promised.fit(object())


def refused(**namespace):
    with pytest.raises(ConfigError) as caught:
        Registry().add(type('Some', (Task,), namespace))
    return str(caught.value)


def test_an_optional_input_needs_a_default():
    wrong = refused(name='some', inputs={'n': Int(required=False)}, run=lambda self, n: n)
    assert "input 'n' is required=False, so run needs a default: n=…" in wrong


def test_inputs_and_run_go_together():
    assert "run does not take the input 'n'" in refused(name='some', inputs={'n': Int()}, run=lambda self: 1)
    assert "run takes 'n', which is not in `inputs`" in refused(name='some', inputs={}, run=lambda self, n: n)
    taken = type('Any', (Task,), {'name': 'any', 'inputs': {'n': Int()}, 'run': lambda self, **more: more})
    assert inputs_of(taken).bind({'n': '1'}) == {'n': 1}


def test_what_is_no_parameter_is_refused():
    assert "inputs 'n': Int is a class; write Int()" in refused(
        name='some', inputs={'n': Int}, run=lambda self, n: n
    )
    assert 'outputs is list; write a dict of name: parameter' in refused(
        name='some', outputs=[String()], run=lambda self: 1
    )


def test_neither_name_nor_NAME_is_refused():  # noqa: N802 - the word itself
    wrong = refused(inputs={}, run=lambda self: 1)
    assert 'NAME must be' in wrong
    assert wrong.endswith("; write name = '…'")


def test_a_run_that_is_a_generator_is_refused():
    def run(self):
        yield 1

    assert 'must be a plain function' in refused(name='some', run=run)


def test_NAME_counts_before_name():  # noqa: N802 - the word itself
    class Both(Task):
        NAME = 'upper'
        name = 'lower'

        def run(self):
            pass

    assert Registry().add(Both).NAME == 'upper'


def test_a_class_with_its_own_start_is_left_as_it_is():
    class Own(Task):
        name = 'a name of its own'
        inputs = ['anything']

        def run(self):
            pass

        def start(self):
            pass

    assert Registry().add(Own).NAME == 'own'
    assert inputs_of(Own).bind({}) == {}


def test_a_base_with_a_run_alone_is_no_task():
    class Base(Task):
        def run(self):
            pass

    assert not hasattr(Base, 'start')


def test_it_can_be_tried_in_a_prompt():
    assert Copy().run('a', times=2) == ['a.0', 'a.1']
