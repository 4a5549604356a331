import gevent
import pytest

from pytask.store import Claimed


def test_a_claimed_run_is_running_under_a_lease(hands):
    hands.register('w1')
    hands.start('1', data=b'{"a":1}')
    before_ms = hands.now_ms()
    grant = hands.claim('w1', nonce='n')
    [run] = grant.runs
    assert run == Claimed('1', 'hello', b'{"a":1}', 1, '1:n:w1', run.waited_ms)
    assert 0 <= run.waited_ms < 5000
    found = hands.hash()
    assert (found['state'], found['worker'], found['attempt'], found['token']) == ('RUNNING', 'w1', '1', '1:n:w1')
    assert float(found['started']) >= float(found['created'])
    assert before_ms + 60_000 <= hands.redis.zscore('leases', '1') <= hands.now_ms() + 60_000
    assert hands.line() == []


def test_a_claim_is_told_as_an_event(hands, events):
    hands.run('1')
    assert events() == [('1', 'running', {'worker': 'w1', 'attempt': 1})]


def test_the_oldest_comes_first(hands):
    hands.register()
    hands.start('1', '2', '3')
    assert hands.claimed_ids(limit=2) == ['1', '2']
    assert hands.claimed_ids() == ['3']


def test_a_foreign_run_needs_two_fields(hands):
    hands.register()
    hands.redis.hset('task-1', mapping={'task': 'hello', 'data': '{"name": "you"}'})
    hands.redis.lpush('new-task', '1')
    [run] = hands.claim().runs
    assert (run.data, run.attempt) == (b'{"name": "you"}', 1)
    assert hands.hash()['queue'] == 'default'
    assert 'created' in hands.hash()


def test_data_may_be_missing(hands):
    hands.register()
    hands.redis.hset('task-1', 'task', 'hello')
    hands.redis.lpush('new-task', '1')
    assert hands.claim().runs[0].data == b'{}'


@pytest.mark.parametrize('state', ['', 'WAIT'])
def test_an_empty_state_waits_too(hands, state):
    hands.register()
    hands.redis.hset('task-1', mapping={'task': 'hello', 'state': state})
    hands.redis.lpush('new-task', '1')
    assert hands.claimed_ids() == ['1']


def test_the_attempt_only_grows(hands):
    hands.release(hands.run('1'))
    assert hands.claim().runs[0].attempt == 2
    assert hands.hash()['attempt'] == '2'


@pytest.mark.parametrize('is_paused', [False, True])
def test_an_attempt_begins_without_the_progress_of_the_last_one(hands, is_paused):
    claimed = hands.run('1')
    hands.emit(claimed, done=3, target=10)
    hands.release(claimed)
    if is_paused:
        hands.store.pauses.pause('1')
        hands.store.pauses.resume('1')
    hands.claim()
    assert not {'progress', 'target', 'reason'} & hands.hash().keys()


@pytest.mark.parametrize('attempt', ['', 'abc', '-', '{}'])
def test_a_foreign_attempt_that_is_no_number_counts_from_one(hands, attempt):
    hands.register()
    hands.start('1')
    hands.redis.hset('task-1', 'attempt', attempt)
    assert hands.claim().runs[0].attempt == 1


def test_two_workers_get_different_runs(hands):
    hands.register('w1')
    hands.register('w2')
    hands.start('1', '2')
    assert hands.claimed_ids(worker='w1', limit=1) == ['1']
    assert hands.claimed_ids(worker='w2', limit=2) == ['2']


def test_a_herd_of_workers_shares_without_doubles(hands):
    workers = [f'w{i}' for i in range(8)]
    for worker in workers:
        hands.register(worker)
    ids = [f'{i:04}' for i in range(1000)]
    hands.start(*ids)
    hands.redis.lpush('new-task', *ids)

    def take_all(worker):
        while hands.redis.llen('new-task'):
            yield from hands.claimed_ids(worker=worker)

    taken = [gevent.spawn(lambda worker=worker: list(take_all(worker))) for worker in workers]
    assert sorted(run_id for greenlet in taken for run_id in greenlet.get()) == ids


def test_the_same_nonce_gets_the_same_answer(hands):
    hands.register()
    hands.start('1', '2')
    first = hands.claim(nonce='n')
    hands.start('3')
    assert hands.claim(nonce='n').runs == [run._replace(waited_ms=-1) for run in first.runs]
    assert hands.line() == ['3']


def test_a_repeated_grant_renews_the_leases(hands):
    hands.register()
    hands.start('1')
    hands.claim(nonce='n')
    hands.lose('1')
    hands.claim(nonce='n')
    assert hands.redis.zscore('leases', '1') > hands.now_ms()


def test_a_repeated_grant_leaves_out_what_has_ended_or_is_anothers(hands):
    hands.register()
    hands.register('w2')
    hands.start('1', '2', '3')
    ended, lost, kept = hands.claim(nonce='n').runs
    hands.finish(ended)
    hands.recover(lost.run_id)
    hands.claim('w2')
    assert hands.claim(nonce='n').runs == [kept._replace(waited_ms=-1)]


def test_a_repeated_claim_is_not_told_again(hands, events):
    hands.register()
    hands.start('1')
    hands.claim(nonce='n')
    events()
    hands.claim(nonce='n')
    assert events() == []


def test_the_record_of_a_claim_passes(hands):
    hands.run('1')
    assert 0 < hands.redis.pttl('claim-w1') <= 120_000


def test_an_empty_line_grants_nothing(hands):
    hands.register()
    grant = hands.claim()
    assert (grant.runs, grant.has_more, grant.dead, grant.parked) == ([], False, [], [])


def test_an_unregistered_worker_gets_nothing_and_changes_nothing(hands):
    hands.start('1')
    before = hands.everything()
    grant = hands.claim('stranger')
    assert (grant.is_registered, grant.runs) == (False, [])
    assert hands.everything() == before


def test_more_is_answered_where_entries_were_only_skipped(hands):
    hands.register()
    hands.start('1')
    hands.redis.rpush('new-task', 'a-control', 'b-control')
    grant = hands.claim(limit=2)
    assert (grant.runs, grant.has_more) == ([], True)
    assert hands.claimed_ids(limit=2) == ['1']


def test_more_is_not_answered_for_a_line_that_is_empty_now(hands):
    hands.register()
    hands.start('1')
    hands.redis.rpush('new-task', 'a-control')
    assert not hands.claim(limit=2).has_more


def test_a_grant_stops_growing_at_four_mebibytes_of_data(hands):
    hands.register()
    hands.start(*'1234567', data=b'"' + b'x' * 2**20 + b'"')
    grant = hands.claim()
    assert [run.run_id for run in grant.runs] == list('1234')
    assert grant.has_more
    assert hands.line() == list('567')


def test_one_giant_is_granted_all_the_same(hands):
    hands.register()
    hands.start('1', '2', data=b'"' + b'x' * 5 * 2**20 + b'"')
    assert hands.claimed_ids() == ['1']
    assert hands.claimed_ids() == ['2']


def test_the_queue_of_a_foreign_run_is_where_it_was_pushed(hands):
    hands.register()
    hands.redis.hset('task-1', 'task', 'hello')
    hands.redis.lpush('new-task-mail', '1')
    assert hands.claimed_ids(queue='mail') == ['1']
    assert hands.hash()['queue'] == 'mail'


def test_a_run_started_again_by_foreign_hands_forgets_its_last_end(hands):
    hands.finish(hands.run('1'), 'ERROR', output=b'"bad"', reason='why')
    hands.redis.hset('task-1', 'state', 'WAIT')
    hands.redis.lpush('new-task', '1')
    [run] = hands.claim().runs
    assert run.attempt == 2
    assert not {'output', 'ended', 'reason', 'progress'} & hands.hash().keys()
    assert hands.redis.zscore('ended-ERROR', '1') is None


def test_a_worker_answers_to_each_of_its_names(hands):
    hands.register('w1', 'hello', 'tasks.some.hello')
    hands.start('1', task='hello')
    hands.start('2', task='tasks.some.hello')
    assert hands.claimed_ids() == ['1', '2']


@pytest.mark.parametrize('task', ['hell', 'ello', 'hello\ncrawl', ''])
def test_a_part_of_a_name_is_not_the_name(hands, task):
    hands.register('w1', 'hello', 'crawl')
    hands.start('1', task=task)
    grant = hands.claim()
    assert (grant.runs, grant.parked) == ([], [('1', task)])
