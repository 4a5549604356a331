import pytest

from pytask import Run, State

ENDS = ['STOPPED', 'SUCCESS', 'ERROR', 'EXCEPTION']


@pytest.fixture
def runs(hands):
    return hands.store.runs


def end(hands, *run_ids, state='SUCCESS', age_s=0.0):
    for i, run_id in enumerate(run_ids):
        hands.redis.hset(f'task-{run_id}', mapping={'task': 'hello', 'state': state})
        hands.redis.zadd(f'ended-{state}', {run_id: hands.now_ms() - age_s * 1000 + i})


def test_runs_are_read_in_the_order_asked_for(hands, runs):
    hands.start('1', '2')
    found = runs.read(['2', 'unknown', '1'])
    assert [run and run.id for run in found] == ['2', None, '1']
    assert (found[0].task, found[0].state) == ('hello', State.WAIT)


def test_a_hash_without_a_task_is_no_run(hands, runs):
    hands.redis.hset('task-1', 'queue', 'default')
    assert runs.read(['1']) == [None]


def test_reading_nothing_is_fine(runs):
    assert runs.read([]) == []


def test_a_foreign_hash_of_junk_is_read(hands, runs):
    hands.raw.hset('task-1', mapping={b'task': b'\xff', b'\xff': b'\xff', b'data': b'{', b'attempt': b'nan'})
    [run] = runs.read(['1'])
    assert isinstance(run, Run)


def test_a_key_of_another_type_is_no_run(hands, runs):
    hands.redis.set('task-2', 'mine')
    hands.start('1')
    assert [run and run.id for run in runs.read(['1', '2'])] == ['1', None]


def test_ids_come_state_by_state_and_newest_first(hands, runs):
    hands.run('running')
    hands.start('waiting')
    end(hands, 'old', 'new')
    end(hands, 'bad', state='ERROR')
    states = [State.RUNNING, State.WAIT, State.ERROR, State.SUCCESS]
    assert list(dict.fromkeys(runs.ids(states, ()))) == ['running', 'waiting', 'bad', 'new', 'old']


def test_ids_of_one_state_only(hands, runs):
    hands.run('running')
    end(hands, 'done')
    assert list(runs.ids([State.SUCCESS], ())) == ['done']


@pytest.mark.parametrize('n', [0, 1, 199, 200, 201, 1000])
def test_every_page_is_turned(hands, runs, n):
    ids = [f'{i:04}' for i in range(n)]
    end(hands, *ids)
    assert list(runs.ids([State.SUCCESS], ())) == ids[::-1]


def test_runs_whose_leases_are_renewed_while_they_are_listed_are_all_there(hands, runs):
    ids = {f'{n}': n for n in range(500)}
    hands.redis.zadd('leases', ids)
    found = runs.ids([State.RUNNING], ())
    listed = [next(found)]
    hands.redis.zadd('leases', {run_id: 1000 + n for run_id, n in ids.items() if n < 250})
    assert {*listed, *found} == ids.keys()


def test_what_is_claimed_while_runs_are_listed_is_there(hands, runs, monkeypatch):
    hands.register()
    hands.start('1')
    lines = runs._waiting_lines
    monkeypatch.setattr(runs, '_waiting_lines', lambda queues: (hands.claim(), lines(queues))[1])
    assert '1' in list(runs.ids([State.WAIT, State.RUNNING], ()))


def test_waiting_ids_are_those_in_line_due_held_and_parked(hands, runs):
    hands.register('w1', 'hello')
    hands.start('parked', task='other')
    hands.claim()
    hands.start('waiting')
    hands.redis.zadd('due', {'due': 1})
    hands.redis.zadd('held', {'held': 1})
    assert sorted(runs.ids([State.WAIT], ())) == ['due', 'held', 'parked', 'waiting']


def test_waiting_ids_of_some_queues(hands, runs):
    hands.start('1')
    hands.start('2', queue='mail')
    assert list(runs.ids([State.WAIT], ['mail'])) == ['2']


def test_waiting_ids_of_a_queue_that_a_worker_serves(hands, runs):
    hands.store.workers.register('w1', lease_ms=60_000, fields={'queues': 'mail,other', 'tasks': '\n'})
    hands.start('1', queue='mail')
    assert list(runs.ids([State.WAIT], ())) == ['1']


def test_waiting_ids_of_a_queue_that_nobody_serves(hands, runs):
    hands.start('1', queue='mail')
    assert list(runs.ids([State.WAIT], ())) == ['1']


def test_runs_are_counted_by_state(hands, runs):
    hands.register('w1', 'hello')
    hands.start('running1', 'running2')
    hands.claim()
    hands.start('waiting')
    end(hands, *'abc')
    end(hands, 'd', state='ERROR')
    assert runs.counts() == {
        State.RUNNING: 2, State.WAIT: 1, State.SUCCESS: 3, State.ERROR: 1, State.STOPPED: 0, State.EXCEPTION: 0,
    }  # fmt: skip


def test_parked_runs_count_as_waiting(hands, runs):
    hands.register('w1', 'other')
    hands.start('1')
    hands.claim()
    assert runs.counts()[State.WAIT] == 1


def test_queues_tell_how_many_wait(hands):
    hands.start('1', '2')
    hands.start('3', queue='mail')
    assert hands.store.queues.waiting(['default', 'mail', 'other']) == {'default': 2, 'mail': 1, 'other': 0}


def test_what_ended_too_long_ago_is_found(hands, runs):
    end(hands, 'old', age_s=100)
    end(hands, 'new', age_s=10)
    assert runs.oldest_ended(State.SUCCESS, keep_s=50, keep_count=10, offset=0) == ['old']
    assert runs.oldest_ended(State.SUCCESS, keep_s=500, keep_count=10, offset=0) == []


def test_what_is_too_many_is_found_oldest_first(hands, runs):
    end(hands, *'abcde')
    assert runs.oldest_ended(State.SUCCESS, keep_s=500, keep_count=3, offset=0) == ['a', 'b']
    assert runs.oldest_ended(State.SUCCESS, keep_s=500, keep_count=3, offset=1) == ['b']
    assert runs.oldest_ended(State.SUCCESS, keep_s=500, keep_count=3, offset=2) == []


def test_the_oldest_are_found_by_age_or_number_whichever_are_more(hands, runs):
    end(hands, 'a', age_s=100)
    end(hands, *'bcd')
    assert runs.oldest_ended(State.SUCCESS, keep_s=50, keep_count=1, offset=0) == ['a', 'b', 'c']


def test_the_oldest_are_found_page_by_page(hands, runs):
    end(hands, *[f'{i:03}' for i in range(450)], age_s=100)
    pages = [
        len(runs.oldest_ended(State.SUCCESS, keep_s=50, keep_count=1000, offset=offset)) for offset in (0, 200, 400)
    ]
    assert pages == [200, 200, 50]


def test_ids_may_be_abbreviated(hands, runs):
    hands.start('abc1', 'abc2', 'abd')
    assert sorted(runs.starting_with('abc', 10)) == ['abc1', 'abc2']
    assert runs.starting_with('abd', 10) == ['abd']
    assert runs.starting_with('x', 10) == []
    assert len(runs.starting_with('ab', 2)) == 2


def test_an_abbreviation_is_no_pattern(hands, runs):
    hands.start('abc', 'a*[?\\')
    assert runs.starting_with('a*', 10) == ['a*[?\\']
    assert runs.starting_with('a*[?\\', 10) == ['a*[?\\']
    assert runs.starting_with('[a]', 10) == []


def test_what_is_no_hash_is_not_abbreviated(hands, runs):
    hands.redis.set('task-abc', 'mine')
    assert runs.starting_with('a', 10) == []


def test_thousands_of_other_keys_are_passed_over(hands, runs):
    hands.start(*[f'x{i}' for i in range(3000)], 'abc')
    assert runs.starting_with('a', 10) == ['abc']
