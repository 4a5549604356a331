import json


def test_a_worker_is_told_and_reads_it_at_its_next_registration(hands, heard):
    hands.register('w1')
    assert hands.store.workers.stop('w1') == 'REQUESTED'
    [(channel, text)] = heard()
    assert (channel, json.loads(text)) == ('worker-w1-control', {'command': 'stop', 'is_durable': True})
    assert hands.store.workers.register('w1', lease_ms=60_000, fields={}).is_told_to_stop
    assert hands.redis.pttl('worker-w1') > 0


def test_who_was_not_told_reads_nothing(hands):
    assert not hands.store.workers.register('w1', lease_ms=60_000, fields={}).is_told_to_stop


def test_who_is_not_alive_is_not_found(hands):
    hands.register('w1')
    hands.redis.zadd('workers', {'w1': 1})
    before = hands.everything()
    assert hands.store.workers.stop('w1') == 'NOT_FOUND'
    assert hands.store.workers.stop('nobody') == 'NOT_FOUND'
    assert hands.everything() == before


def test_local_runs_are_reminded_with_the_registration_of_their_worker(hands):
    from pytask.store import Claimed

    for run_id in ('a', 'b', 'c'):
        hands.store.queues.begin_local(
            Claimed(run_id, 'hello', b'{}', 1, f'1:x{run_id}:w1'), worker_id='w1', ttl_ms=60_000
        )
    assert hands.command('a', grace_s=0.5) == 'REQUESTED'
    assert hands.command('b', 'reload', command_id='r') == 'REQUESTED'
    found = hands.store.workers.register('w1', lease_ms=60_000, fields={}, local_ids=['a', 'b', 'c', 'gone'])
    assert found == (False, ['gone'], [('a', 'STOP 0.500'), ('b', 'RELOAD')])
