import re
from pathlib import Path

import pytest

import pytask.store
from pytask.store import Keys
from pytask.store.lua_source import NAMES, sources

LUA = Path(pytask.store.__file__).parent / 'lua'


@pytest.mark.parametrize('prefix', ['', '{orders}:'])
def test_every_name_is_as_the_wire_contract_says(prefix):
    keys = Keys(prefix)
    names = {
        'task-42': keys.run('42'),
        'new-task': keys.line('default'),
        'new-task-mail': keys.line('mail'),
        'queues': keys.queues,
        'inbox-42': keys.inbox('42'),
        'messages-42': keys.said('42'),
        'leases': keys.leases,
        'due': keys.due,
        'held': keys.held,
        'all-paused': keys.paused,
        'ended-SUCCESS': keys.ended_in('SUCCESS'),
        'schedules': keys.schedules,
        'schedule-nightly': keys.schedule('nightly'),
        'dead-task': keys.dead,
        'parked-hello': keys.parked_list('hello'),
        'all-parked': keys.parked_names,
        'suspect-task': keys.suspects,
        'end-task': keys.end_task,
        'end-handler': keys.end_handler,
        'workers': keys.workers,
        'worker-w1': keys.worker_hash('w1'),
        'worker-w1-control': keys.worker_control('w1'),
        'claim-w1': keys.claim_record('w1'),
        'stats': keys.stats,
    }
    assert names == {plain: prefix + plain for plain in names}


def test_an_id_is_found_in_its_key():
    keys = Keys('a:')
    assert keys.run_id(keys.run('task-1')) == 'task-1'


def test_every_script_is_listed_and_there():
    assert sorted(NAMES) == sorted(path.stem for path in LUA.glob('*.lua'))


@pytest.mark.parametrize('source', sources(), ids=lambda source: source.name)
def test_no_script_names_a_key_itself(source):
    keys = Keys()
    # Fields of workers have these names, too.
    fixed = {value for value in vars(keys).values() if value} - {keys.queues, keys.schedules}
    assert not fixed & set(re.findall(r"'([^']*)'", re.sub(r'--.*', '', source.text)))


@pytest.mark.parametrize('source', sources(), ids=lambda source: source.name)
def test_every_script_names_its_parameters(source):
    assert source.keys
    assert source.argv
    assert '-- ANSWER ' in source.text
