import pytest

ENDS = ['STOPPED', 'SUCCESS', 'ERROR', 'EXCEPTION']
TEXT = b'{"name":"add"}'
LONGEST, MOST = 1000, 2**20


def inbox(hands, run_id='1'):
    """What stands in an inbox, and how many bytes its run believes that to be."""
    bytes_ = hands.redis.hget(f'task-{run_id}', 'inbox')
    return hands.raw.lrange(f'inbox-{run_id}', 0, -1), bytes_ and int(bytes_)


def test_a_message_to_what_runs_is_kept_and_its_worker_told(hands, heard):
    hands.run('1')
    heard()
    key, answer = hands.send()
    assert answer == 'REQUESTED'
    assert inbox(hands) == ([key + TEXT], 16 + len(TEXT))
    assert heard() == [('task-1-control', '{"command":"send"}')]


def test_messages_stand_in_order(hands):
    hands.run('1')
    keys = [hands.send()[0] for _ in range(5)]
    assert [message[:16] for message in inbox(hands)[0]] == keys
    assert inbox(hands)[1] == 5 * (16 + len(TEXT))


@pytest.mark.parametrize('state', ['WAIT', '', None])
def test_a_message_to_what_waits_waits_with_it(hands, heard, state):
    hands.redis.hset('task-1', mapping={'task': 'hello'} | ({} if state is None else {'state': state}))
    assert hands.send()[1] == 'REQUESTED'
    assert len(inbox(hands)[0]) == 1
    assert heard() == []


@pytest.mark.parametrize('state', ENDS)
def test_what_has_ended_answers_with_its_end(hands, state):
    hands.finish(hands.run('1'), state)
    before = hands.everything()
    assert hands.send()[1] == state
    assert hands.everything() == before


def test_what_is_not_there_is_not_found(hands):
    assert hands.send()[1] == 'NOT_FOUND'
    hands.redis.set('task-2', 'mine')
    assert hands.send('2')[1] == 'NOT_FOUND'
    hands.redis.hset('task-3', 'state', 'WAIT')
    assert hands.send('3')[1] == 'NOT_FOUND'
    assert not hands.redis.keys('inbox-*')


def test_pytasks_own_tasks_refuse(hands):
    hands.redis.hset('task-1', mapping={'task': 'pytask/monitor', 'state': 'RUNNING', 'local': '1'})
    before = hands.everything()
    assert hands.send()[1] == 'REFUSED'
    assert hands.everything() == before


def test_a_thousand_fit(hands):
    hands.start('1')
    for _ in range(LONGEST):
        assert hands.send()[1] == 'REQUESTED'
    before = hands.everything()
    assert hands.send()[1] == 'FULL'
    assert hands.everything() == before


def test_a_mebibyte_fits(hands):
    claimed = hands.run('1')
    text = b'x' * (MOST // 16 - 16)
    keys = [hands.send(text=text)[0] for _ in range(16)]
    assert inbox(hands)[1] == MOST
    assert hands.send(text=b'')[1] == 'FULL'
    hands.taken(claimed, keys[0])
    assert hands.send(text=text)[1] == 'REQUESTED'


def test_the_inbox_of_a_local_run_ends_by_itself(hands):
    hands.redis.hset('task-1', mapping={'task': 'hello', 'state': 'RUNNING', 'local': '1'})
    hands.send()
    assert 0 < hands.redis.pttl('inbox-1') <= 86_400_000


def test_a_run_made_anew_by_foreign_hands_hears_nothing_of_the_one_before(hands):
    hands.start('1')
    hands.send()
    hands.redis.delete('task-1')
    hands.start('1')
    key, _ = hands.send()
    assert [message[:16] for message in inbox(hands)[0]] == [key]


def test_a_size_that_is_no_number_is_mended(hands):
    claimed = hands.run('1')
    hands.redis.hset('task-1', 'inbox', 'much')
    key, answer = hands.send()
    assert (answer, inbox(hands)[1]) == ('REQUESTED', 16 + len(TEXT))
    hands.redis.hset('task-1', 'inbox', 'much')
    assert hands.taken(claimed, key) is None
    assert inbox(hands) == ([], None)


# What becomes of an inbox: it lives as long as its run, and no longer.


def test_who_claims_is_told_which_runs_have_messages(hands):
    hands.register()
    hands.start('1', '2', '3')
    hands.send('2')
    grant = hands.claim(nonce='n')
    assert (len(grant.runs), with_messages(grant)) == (3, {'2'})
    assert with_messages(hands.claim(nonce='n')) == {'2'}


def test_the_next_attempt_finds_what_the_last_has_not_handled(hands):
    first = hands.run('1')
    keys = [hands.send()[0] for _ in range(3)]
    hands.taken(first, keys[0])
    hands.release(first)
    second = hands.claim()
    assert with_messages(second) == {'1'}
    hands.recover('1')
    hands.redis.zrem('workers', 'w1')
    third = hands.claim()
    assert with_messages(third) == {'1'}
    assert [message[:16] for message in inbox(hands)[0]] == keys[1:]


def test_renewal_tells_of_messages_until_they_are_handled(hands):
    claimed = hands.run('1')
    assert hands.renew(claimed) == []
    key, _ = hands.send()
    assert hands.renew(claimed) == hands.renew(claimed) == [('1', 'SEND')]
    hands.taken(claimed, key)
    assert hands.renew(claimed) == []


def test_renewal_tells_of_a_stop_first(hands):
    claimed = hands.run('1')
    hands.send()
    hands.command()
    assert hands.renew(claimed) == [('1', 'STOP')]


def end_by_finish(hands):
    hands.finish(hands.run('1'))


def end_by_stop(hands):
    hands.start('1')
    hands.command()


def end_by_release(hands):
    claimed = hands.run('1')
    hands.command()
    hands.release(claimed)


def end_by_recovery(hands):
    hands.run('1')
    hands.command()
    hands.recover('1')


def end_by_conviction(hands):
    hands.start('1')
    hands.redis.hset('task-1', mapping={'alone': 5, 'crashes': 7})
    hands.redis.zadd('due', {'1': 1})
    hands.store.queues.promote(10)


@pytest.mark.parametrize(
    'end',
    [end_by_finish, end_by_stop, end_by_release, end_by_recovery, end_by_conviction],
    ids=lambda f: f.__name__,
)
def test_an_inbox_ends_with_its_run_however_that_ends(hands, end, monkeypatch):
    start = hands.start
    monkeypatch.setattr(hands, 'start', lambda *ids, **how: (start(*ids, **how), hands.send()))
    end(hands)
    assert hands.state() in ENDS
    assert inbox(hands) == ([], None)
    assert not hands.redis.exists('inbox-1')


def test_what_ran_again_hears_only_what_it_was_told_since(hands):
    hands.register()
    hands.start('1')
    hands.send()
    [claimed] = hands.claim().runs
    hands.finish(claimed)
    hands.store.runs.retry('1')
    key, _ = hands.send()
    [again] = hands.claim().runs
    assert hands.taken(again).startswith(key)


def test_a_new_life_by_foreign_hands_hears_what_it_was_told_before_its_claim(hands):
    hands.finish(hands.run('1'))
    hands.redis.hset('task-1', 'state', 'WAIT')
    hands.redis.lpush('new-task', '1')
    key, _ = hands.send()
    [again] = hands.claim().runs
    assert hands.taken(again).startswith(key)


def test_a_run_is_deleted_with_its_inbox(hands):
    hands.finish(hands.run('1'))
    hands.redis.rpush('inbox-1', 'by foreign hands')
    assert hands.store.runs.remove(['1'], takes_kept=False) == ['OK']
    assert not hands.redis.keys('*-1')


def with_messages(grant):
    return {run.run_id for run in grant.runs if run.has_messages}
