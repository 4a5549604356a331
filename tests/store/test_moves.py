"""No script makes a move that the table of states does not have."""

import pytest

from pytask.core.states import ENDED, MOVES, State

ACTIONS = {
    'start': lambda hands, claimed: hands.start(claimed.run_id),
    'claim': lambda hands, claimed: hands.claim(limit=100),
    'release': lambda hands, claimed: hands.release(claimed),
    'recover': lambda hands, claimed: hands.recover(claimed.run_id),
    'stop': lambda hands, claimed: hands.command(claimed.run_id),
    'reload': lambda hands, claimed: hands.command(claimed.run_id, 'reload', command_id='c'),
    'pause': lambda hands, claimed: hands.store.pauses.pause(claimed.run_id),
    'resume': lambda hands, claimed: hands.store.pauses.resume(claimed.run_id),
    'retry': lambda hands, claimed: hands.store.runs.retry(claimed.run_id),
    'renew': lambda hands, claimed: hands.renew(claimed),
    'promote': lambda hands, claimed: hands.store.queues.promote(100),
    'emit': lambda hands, claimed: hands.emit(claimed),
    'reloaded': lambda hands, claimed: hands.store.runs.reloaded(claimed.run_id, claimed.token, 'c', '', b'{}', 1),
} | {state: lambda hands, claimed, state=state: hands.finish(claimed, state) for state in ENDED}


def bring_to(hands, run_id, state):
    claimed = hands.run(run_id)
    if state is State.WAIT:
        hands.release(claimed)
        hands.redis.delete('new-task')
    elif state in ENDED:
        hands.finish(claimed, state)
    hands.redis.zadd('due', {run_id: 1})
    return claimed


@pytest.mark.parametrize('action', ACTIONS)
def test_every_move_is_in_the_table(hands, action):
    claims = {state: bring_to(hands, state.value, state) for state in State}
    hands.redis.lpush('new-task', *claims)
    for state, claimed in claims.items():
        ACTIONS[action](hands, claimed)
        after = State(hands.state(claimed.run_id))
        assert after is state or after in MOVES[state]


@pytest.mark.parametrize(
    'action', ['start', 'claim', 'release', 'recover', 'stop', 'pause', 'resume', 'promote', *sorted(ENDED)]
)
def test_an_end_is_left_by_retry_only(hands, action):
    claims = {state: bring_to(hands, state.value, state) for state in ENDED}
    hands.redis.lpush('new-task', *claims)
    for state, claimed in claims.items():
        ACTIONS[action](hands, claimed)
        assert hands.state(claimed.run_id) == state
