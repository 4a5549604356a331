import pytest

from pytask.core.ids import is_valid_id
from pytask.core.run import Run
from pytask.core.states import State

FULL = {
    b'task': b'crawl',
    b'data': b'{"url": "x"}',
    b'state': b'SUCCESS',
    b'output': b'{"pages": 3}',
    b'reason': b'why',
    b'queue': b'mail',
    b'worker': b'w1',
    b'attempt': b'2',
    b'crashes': b'1',
    b'progress': b'3',
    b'target': b'10',
    b'created': b'1.500',
    b'started': b'2.500',
    b'ended': b'3.500',
    b'local': b'1',
}


def test_a_hash_is_read_field_by_field():
    assert Run.from_hash('x', FULL) == Run(
        'x', 'crawl', State.SUCCESS, {'url': 'x'}, {'pages': 3}, 'why', 'mail', 'w1', 2, 1, 3, 10, 1.5, 2.5, 3.5,
        is_local=True,
    )  # fmt: skip


def test_a_foreign_hash_of_two_fields_is_a_waiting_run():
    run = Run.from_hash('x', {b'task': b'hello', b'data': b'{}'})
    assert run == Run('x', 'hello', State.WAIT, {})
    assert not run.is_ended


@pytest.mark.parametrize('state', [b'', b'DONE', b'success', b'\xff'])
def test_an_unknown_state_reads_as_wait(state):
    assert Run.from_hash('x', {b'task': b'a', b'state': state}).state is State.WAIT


@pytest.mark.parametrize('data', [b'', b'hello', b'{', b'1e999', b'[' * 100_000, b'"\\ud800"'])
def test_data_that_is_not_json_is_shown_as_it_is(data):
    assert Run.from_hash('x', {b'task': b'a', b'data': data}).data == data.decode()


@pytest.mark.parametrize('field', ['task', 'data', 'state', 'output', 'reason', 'queue', 'worker', 'attempt'])
def test_bytes_that_are_no_utf8_do_not_stop_the_reading(field):
    assert Run.from_hash('x', {b'task': b'a', field.encode(): b'"\xff\xfe'}).id == 'x'


@pytest.mark.parametrize('bad', [b'', b'abc', b'nan', b'inf', b'-inf', b'1e999', b'9' * 5000, b'\xff'])
def test_a_number_that_is_none_is_absent(bad):
    names = (b'attempt', b'crashes', b'progress', b'target', b'created', b'started', b'ended')
    run = Run.from_hash('x', dict.fromkeys(names, bad))
    assert (run.attempt, run.crashes) == (0, 0)
    assert (run.progress, run.target, run.created, run.started, run.ended) == (None,) * 5


def test_a_fraction_of_progress_is_cut():
    assert Run.from_hash('x', {b'progress': b'2.9'}).progress == 2


def test_an_empty_queue_is_the_default_one():
    assert Run.from_hash('x', {b'queue': b''}).queue == 'default'


def test_a_run_in_json_has_every_word_but_the_client():
    json = Run.from_hash('x', FULL).to_json()
    assert (json['id'], json['state'], json['local']) == ('x', 'SUCCESS', True)
    assert not {'client', 'is_local'} & json.keys()


def test_a_run_without_a_client_says_so():
    with pytest.raises(RuntimeError, match='run x came without a client'):
        Run('x').refresh()


@pytest.mark.parametrize('run_id', ['1', 'a' * 256, 'site/crawl:1', 'ü', 'control', 'a b'])
def test_ids_that_can_name_a_run(run_id):
    assert is_valid_id(run_id)


@pytest.mark.parametrize(
    'run_id', ['', 'a' * 257, 'ü' * 129, 'a\n', '\0', 'a-control', '-control', '\ud800', '\x7f']
)
def test_ids_that_can_not(run_id):
    assert not is_valid_id(run_id)
