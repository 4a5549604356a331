"""docs/wire.rst: its tables list every key, field, event and command."""

from __future__ import annotations

import re

import pytest
from pages import Page
from support import ROOT

from pytask.core import commands, events
from pytask.store import Keys

PAGE = Page('docs/wire.rst')
LUA = '\n'.join(path.read_text() for path in sorted((ROOT / 'pytask/store/lua').rglob('*.lua')))


def first_cells(section):
    """Return the names in the first column of a section's table."""
    text = PAGE.text[PAGE.text.index(f'\n{section}\n---') :].split('\n\n\n')[0]
    return set(re.findall(r'^``([^`]+)``  ', text, re.MULTILINE))


def written(key):
    """Return the fields that scripts write to, or read from, hashes at such a key."""
    calls = re.findall(rf"redis\.p?call\('H\w+', {key}, ([^\n]+(?:\n\s+'[^\n]+)?)", LUA)
    pairs = [re.findall(r"'(\w+)'(?!\s*\.\.)", call) for call in calls]
    return {name for names in pairs for name in names if name.islower()}


def test_every_key_is_listed():
    keys = Keys()
    names = {'runs': 'task-<id>', 'ended': 'ended-<STATE>', 'parked': 'parked-<task>', 'inboxes': 'inbox-<id>',
             'messages': 'messages-<id>', 'flows': 'flow-<id>', 'worker_hashes': 'worker-<id>',
             'schedule_hashes': 'schedule-<name>'}  # fmt: skip
    told = first_cells('Keys')
    assert {names.get(name, value) for name, value in vars(keys).items() if value} - told == set()
    more = [keys.line('<queue>'), keys.answer('<name>'), keys.claim_record('<worker>')]
    assert set(more) <= told


def test_every_field_of_a_run_is_listed():
    told = first_cells('The hash of a run')
    known = written(r'(?:key|runs \.\. [\w\[\]]+)')
    assert {'task', 'state', 'token', 'reload_id', 'acquitted'} <= known, 'the scripts are read'
    words = {'paused', 'stop', 'start', 'error'}  # values, or fields all the same
    assert known - told - words == set()
    assert told - known - {'crashes', 'routine'} == set(), 'no script knows it'


def test_every_field_of_a_flow_is_listed():
    told = first_cells('Flows')
    assert written(r'(?:flow|flows \.\. \w+)') - told == set()
    assert told - {'<position>:<key>', 'error:<position>', 'forced:<position>'} == {
        'steps', 'routine', 'name', 'first', 'saved', 'ended', 'offload',
    }  # fmt: skip


def test_every_field_of_a_schedule_is_listed():
    assert written(r'(?:hash|schedule_hashes \.\. name)') == first_cells('The hash of a schedule')


@pytest.mark.timeout(60)
def test_every_field_of_a_worker_is_listed(app, worker, redis):
    worker()
    app.client.stop_worker(redis.zrange('workers', 0, -1)[0])
    [key] = redis.keys('worker-*')
    told = first_cells('The hash of a worker')
    assert set(redis.hgetall(key)) - told == set()
    assert told - set(redis.hgetall(key)) <= {'claimed', 'trial', 'stop'}


def test_every_event_and_command_is_listed():
    own = {events.PROGRESS, events.MESSAGE, events.LOST, events.MESSAGE_FAILED, events.BLOCKED}
    assert first_cells('Events') == {*events.LIFE_EVENTS, *own}
    assert first_cells('Commands') == commands.COMMANDS
