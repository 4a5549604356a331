import math

import pytest

from pytask.core.codec import encode
from pytask.core.commands import Command, parse_command
from pytask.core.events import Event, event_head, parse_event


@pytest.mark.parametrize(
    ('value', 'text'),
    [
        (None, b'null'),
        ({'a': None}, b'{"a":null}'),
        ('null', b'"null"'),
        ([1, 2.5, True], b'[1,2.5,true]'),
        ('ü', '"ü"'.encode()),
    ],
)
def test_what_json_has_is_encoded(value, text):
    assert encode(value) == text


@pytest.mark.parametrize('bad', [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize('where', [lambda x: x, lambda x: [x], lambda x: {'a': {'b': (x,)}}, lambda x: [None, x]])
def test_not_a_number_is_refused_and_not_written_as_null(bad, where):
    with pytest.raises(TypeError, match='JSON has no'):
        encode(where(bad))


@pytest.mark.parametrize('bad', [object(), {None: 1}, {(1, 2): 3}, lambda: 0])
def test_what_json_can_not_carry_is_a_type_error(bad):
    with pytest.raises(TypeError):
        encode(bad)


def test_text_that_is_no_utf8_is_a_type_error():
    with pytest.raises(TypeError, match='surrogates'):
        encode('\ud800')


def test_what_holds_itself_is_a_type_error():
    endless = []
    endless.append(endless)
    with pytest.raises(TypeError, match='not JSON'):
        encode(endless)


def test_an_event_head_lacks_only_its_time_and_number():
    text = event_head('page', {'n': 1}) + b',"at":5.5,"seq":3}'
    assert parse_event('x', text) == Event('x', 'page', {'n': 1}, 5.5, 3)


def test_an_events_name_is_escaped():
    assert parse_event('x', event_head('a"b\n', None) + b'}').event == 'a"b\n'


def test_an_event_head_refuses_what_is_not_json():
    with pytest.raises(TypeError):
        event_head('page', object())


@pytest.mark.parametrize('name', ['\ud800', object()])
def test_an_event_head_refuses_a_name_that_is_no_text(name):
    with pytest.raises(TypeError):
        event_head(name, None)


def test_an_event_tells_its_run_in_json():
    assert Event('x', 'page').to_json() == {'id': 'x', 'event': 'page', 'data': None, 'at': 0.0, 'seq': 0}


JUNK = [b'', b'hello', b'{', b'[]', b'5', b'null', b'{"x":1}', b'\x00', b'\xff\xfe', b'[' * 100_000]


@pytest.mark.parametrize('text', [*JUNK, b'{"event":5}', b'{"event":null}', b'{"command":"stop"}'])
def test_junk_is_no_event(text):
    assert parse_event('x', text) is None


@pytest.mark.parametrize('text', [b'"\xff"', b'{"event":"\xff"}', b'{"event":"a","data":"\xff"}'])
def test_json_with_text_that_is_no_utf8_is_no_event(text):
    assert parse_event('x', text) is None


@pytest.mark.parametrize('at', [b'"soon"', b'null', b'[]', b'1' + b'0' * 400])
def test_a_time_that_is_none_reads_as_zero(at):
    assert parse_event('x', b'{"event":"a","at":' + at + b'}').at == 0.0


@pytest.mark.parametrize('seq', [b'"1"', b'1.5', b'null'])
def test_a_number_that_is_none_reads_as_zero(seq):
    assert parse_event('x', b'{"event":"a","seq":' + seq + b'}').seq == 0


@pytest.mark.parametrize('text', [b'stop', b' stop \n', b'{"command":"stop"}'])
def test_a_command_is_a_bare_word_or_an_object(text):
    assert parse_command(text) == Command('stop')


def test_a_command_may_name_its_attempt_and_more():
    text = b'{"command":"reload","attempt":3,"data":{"a":1}}'
    assert parse_command(text) == Command('reload', 3, {'data': {'a': 1}})


def test_an_attempt_that_is_no_number_means_any():
    assert parse_command(b'{"command":"stop","attempt":"last"}').attempt == 0


@pytest.mark.parametrize(
    'text', [text for text in JUNK if text not in (b'hello', b'null')] + [b'{"command":5}', b'stop now', b'-']
)
def test_junk_is_no_command(text):
    assert parse_command(text) is None


@pytest.mark.parametrize('text', [b'"\xff"', b'{"command":"\xff"}'])
def test_json_with_text_that_is_no_utf8_is_no_command(text):
    assert parse_command(text) is None
