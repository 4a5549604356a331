import json


def test_a_started_run_is_a_hash_and_an_entry(hands):
    assert hands.start('1', data=b'{"a":1}') == [True]
    found = hands.hash()
    assert found.pop('created').replace('.', '').isdigit()
    assert found == {'task': 'hello', 'data': '{"a":1}', 'state': 'WAIT', 'queue': 'default'}
    assert hands.redis.lrange('new-task', 0, -1) == ['1']


def test_a_started_run_stands_nowhere_else(hands):
    hands.start('1')
    assert sorted(hands.redis.keys('*')) == ['new-task', 'queues', 'task-1']


def test_another_queue_has_a_line_of_its_own(hands):
    hands.start('1', queue='mail')
    assert (hands.line('mail'), hands.line()) == (['1'], [])


def test_runs_are_claimed_in_the_order_they_were_started(hands):
    hands.start('1', '2')
    hands.start('3')
    assert hands.line() == ['1', '2', '3']


def test_starting_again_changes_nothing(hands):
    hands.start('1', data=b'{"a":1}')
    before = hands.everything()
    assert hands.start('1', task='other', data=b'{"a":2}') == [False]
    assert hands.everything() == before


def test_an_id_twice_in_one_call_is_one_run(hands):
    assert hands.start('1', '1', '2') == [True, False, True]
    assert hands.line() == ['1', '2']


def test_an_id_that_is_another_type_of_key_is_in_use(hands):
    hands.redis.set('task-1', 'mine')
    assert hands.start('1', '2') == [False, True]
    assert (hands.redis.get('task-1'), hands.line()) == ('mine', ['2'])


def test_a_hash_of_something_else_is_taken_over(hands):
    # A claim that met the id before its hash left the queue there.
    hands.redis.hset('task-1', 'queue', 'mail')
    assert hands.start('1') == [True]
    assert hands.hash()['task'] == 'hello'


def test_thousands_start_in_one_call(hands):
    ids = [f'{i:04}' for i in range(2_000)]
    assert all(hands.start(*ids))
    assert hands.line() == ids


def test_data_goes_through_untouched(hands):
    data = json.dumps({'big': 2**70, 'empty': [], 'deep': [[{}]], 'float': 1e300, 'text': 'ü\n'}).encode()
    hands.start('1', data=data)
    hands.register()
    assert hands.claim().runs[0].data == data


def test_starting_nothing_is_fine(hands):
    assert hands.start() == []
