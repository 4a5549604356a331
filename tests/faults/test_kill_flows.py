"""Workers are killed between any two steps of flows, and within them: none is skipped, and no result is lost."""

import random
from collections import Counter
from itertools import count

import gevent
import pytest
from fault_proxy import CUT, MOMENTS
from support import wait_until

FLOWS, WORKERS, KILLS = 20, 3, 20
STEPS = ['count', 'count', ('called', 'calling'), 'count', ('waited', 'waiting'), *['count'] * 4, ('last', 'count')]


def check_passed(client, ids):
    """Assert that each flow has passed every step, once, in order, and kept what each has left."""
    for flow in (client.get_flow(flow_id) for flow_id in ids):
        assert flow.state == 'SUCCESS', (flow.state, flow.run.output)
        left = flow.results.by_position
        assert sorted(left) == list(range(len(STEPS)))
        # State and results are written together: what was done twice was done on the state of before.
        assert flow.saved == {'seen': list(range(len(STEPS))), 'looks': 2}
        for at, (key, value) in left.items():
            expected = {'called': int, 'waited': bool}.get(key)
            assert isinstance(value, expected) if expected else value == {'step': at, 'before': at + 1}


@pytest.mark.timeout(240)
def test_workers_die_again_and_again_while_flows_pass_their_steps(start_worker, client, redis, journal, heard):
    chance = random.Random(seed := random.randrange(2**32))
    print('seed', seed)
    names = count()
    workers = [start_worker(name=f'w{next(names)}x') for _ in range(WORKERS)]
    client.routine('passage', STEPS)
    ids = [client.submit(client.flow('passage')) for _ in range(FLOWS)]
    wait_until(lambda: len(journal.begins()) > 1, 'they have begun', 30)
    dead = set()
    while len(dead) < KILLS and not all(client.get(flow_id).is_ended for flow_id in ids):
        gevent.sleep(chance.uniform(0.05, 0.8))
        victim = workers.pop(chance.randrange(WORKERS))
        victim.kill()
        victim.wait()
        dead.add(victim.pid)
        workers.append(start_worker(name=f'w{next(names)}x'))
    client.wait(*ids, timeout=120)
    print(f'{len(dead)} killed; {sum(journal.begins().values())} steps begun for {FLOWS * (len(STEPS) + 1)}')
    check_passed(client, ids)
    journal.check_alone(dead=dead)
    children = [f'{flow_id}.1' for flow_id in ids]
    assert Counter(run.state for run in client.store.runs.read(children)) == {'SUCCESS': FLOWS}
    assert not redis.keys(f'task-{ids[0]}.2')
    assert heard.endings() == dict.fromkeys([*ids, *children], 1)
    assert redis.zcard('held') == redis.zcard('leases') == 0


@pytest.mark.parametrize('when', MOMENTS)
@pytest.mark.parametrize('step', ['advance_flow', 'hold_flow', 'claim', 'finish'])
def test_a_kill_at_any_move_of_a_flow(step, when, proxy, start_worker, client, journal, heard, worker):
    def kill():
        victim.kill()
        victim.wait()
        return CUT

    proxy.at(step, when, kill, nth=2)
    victim = start_worker('--redis', proxy.url)
    flow = client.flow(STEPS)
    client.submit(flow)
    assert victim.wait(30) == -9
    worker()
    client.wait(flow.run, timeout=30)
    check_passed(client, [flow.id])
    journal.check_alone(dead={victim.pid})
    assert heard.endings() == {flow.id: 1, f'{flow.id}.1': 1}
