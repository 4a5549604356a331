"""Time, with real workers: four of them and one firing, also while they are killed; and the command line."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from datetime import datetime
from itertools import pairwise

import pytest
from support import check_keys, wait_until

from pytask.schedules.schedule import Declared
from pytask.schedules.triggers import Date, Every

pytestmark = pytest.mark.one_server

APP = """
    from pytask import PyTask, current_task

    app = PyTask(lease=2)

    @app.every(0.25, name='quick')
    @app.cron('*/2 * * * * *', tz='Asia/Kolkata', name='steady')
    def tick():
        run = current_task()
        run.redis.rpush('new-task-journal', f'{run.id} {run.attempt}')

    @app.date('2009-11-06', args=['email@email.com'])
    def email(to):
        return to

    @app.cron(month='6-8,11-12', day='3rd fri', hour='0-3', tz='Europe/Berlin')
    def report():
        return 'reported'
"""
WORKERS = 4


@pytest.fixture
def folder(processes):
    processes.tasks(APP.replace('PyTask(lease=2)', 'PyTask(lease=2, tasks="")'), name='.')
    return processes


def workers(processes, count=WORKERS):
    started = [processes.worker('-A', 'some:app') for _ in range(count)]
    with processes.server.client() as client:
        wait_until(lambda: client.zcard('schedules') == 4, 'its schedules are declared', 20)
    return started


def begun(redis):
    """Return (schedule, time in its id, attempt) of what has begun."""
    rows = []
    for line in redis.lrange('new-task-journal', 0, -1):
        run_id, attempt = line.split()
        name, _, at = run_id.partition('@')
        rows.append((name, at, int(attempt)))
    return rows


def seconds_of(rows, name):
    return sorted({datetime.fromisoformat(at).timestamp() for what, at, _ in rows if what == name})


def gaps_of(rows, name):
    return [later - before for before, later in pairwise(seconds_of(rows, name))]


@pytest.mark.promise(2)
def test_four_workers_make_one_firing_each_time(folder, redis):
    workers(folder)
    wait_until(lambda: len(seconds_of(begun(redis), 'steady')) >= 4, 'it has fired four times', 30)
    rows = begun(redis)
    assert Counter(rows).most_common(1)[0][1] == 1, 'twice'
    assert {attempt for _, _, attempt in rows} == {1}
    assert set(gaps_of(rows, 'steady')) == {2}
    assert all(gap % 0.25 < 0.001 for gap in gaps_of(rows, 'quick'))
    redis.delete('new-task-journal')


def test_while_workers_are_killed_nothing_fires_twice_and_at_most_one_makes_up_for_what_was_missed(folder, redis):
    seed = random.randrange(10**6)
    rng = random.Random(seed)
    living = workers(folder)
    wait_until(lambda: begun(redis), 'it fires')
    for _ in range(6):
        victim = living.pop(rng.randrange(WORKERS))
        victim.kill()
        before = len(seconds_of(begun(redis), 'steady'))
        wait_until(lambda n=before: len(seconds_of(begun(redis), 'steady')) > n, 'the others fire', 20)
        living += workers(folder, 1)
    for one in living:
        one.kill()
    stopped = len(begun(redis))
    redis_s = redis.time()[0]
    wait_until(lambda: redis.time()[0] >= redis_s + 6, 'nobody is there for seconds')
    assert len(begun(redis)) == stopped
    workers(folder, 2)
    wait_until(lambda: seconds_of(begun(redis), 'steady')[-1] > redis_s + 9, 'they fire again', 30)
    rows = begun(redis)
    assert Counter(rows).most_common(1)[0][1] == 1, f'twice (seed {seed})'
    gaps = gaps_of(rows, 'steady')
    assert [gap for gap in gaps if gap != 2] == [max(gaps)], f'{gaps} (seed {seed})'
    assert max(gaps) >= 4
    redis.delete('new-task-journal')


def test_schedules_survive_a_restart_of_all_workers(folder, redis):
    (one,) = workers(folder, 1)
    assert folder.run('cron', 'pause', 'steady', 'quick').stdout == 'steady\tapplied\nquick\tapplied\n'
    one.kill()
    workers(folder, 1)
    found = {row['name']: row for row in rows_of(folder.run('cron', 'ls', '--json').stdout)}
    assert found['steady']['is_paused']
    assert found['quick']['is_paused']
    check_keys_but_journal(redis)


def check_keys_but_journal(redis):
    redis.delete('new-task-journal')
    check_keys(redis)


def rows_of(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def cli(folder):
    workers(folder, 1)
    folder.run('cron', 'pause', 'steady', 'quick')
    return folder.run


def test_schedules_are_listed(cli):
    rows = {line.split('\t')[0]: line.split('\t')[1:] for line in cli('cron', 'ls').stdout.splitlines()}
    assert rows['email'][1:] == ['2009-11-06T00:00:00+00:00', rows['email'][2], '', '', 'missed']
    assert rows['report'][:3] == ['report', "month='6-8,11-12', day='3rd fri', hour='0-3'", 'Europe/Berlin']
    assert rows['report'][3].startswith('in ')
    assert rows['steady'][5] == 'paused'
    names = {row['name']: row['missed'] for row in rows_of(cli('cron', 'ls', '--json').stdout)}
    assert names == {'email': True, 'report': False, 'steady': False, 'quick': False}


def test_a_schedule_is_run_paused_and_resumed(cli):
    run_id = cli('cron', 'run', 'report').stdout.strip()
    assert run_id.startswith('report@20')
    assert cli('wait', run_id).returncode == 0
    assert cli('cron', 'run', 'report', '--json').stdout.startswith('{"id":"report@20')
    done = cli('cron', 'resume', 'report')
    assert (done.returncode, done.stdout) == (1, 'report\trefused\n')
    done = cli('cron', 'rm', 'report')
    assert (done.returncode, done.stdout) == (1, 'report\trefused\n')
    assert 'a live worker declares it; pause it instead: pytask cron pause NAME' in done.stderr
    done = cli('cron', 'pause', 'reprot')
    assert (done.returncode, done.stdout) == (3, '')
    assert done.stderr.startswith("Error: no schedule 'reprot'; did you mean 'report'?")


def test_next_says_when_and_how_days_are_counted(processes):
    done = processes.run('cron', 'next', '0 12 * * 0', '-n', '2', '--tz', 'UTC')
    assert [line.split('  ')[1] for line in done.stdout.splitlines()] == ['Sun', 'Sun']
    assert all(' 12:00:00 +0000' in line for line in done.stdout.splitlines())
    assert '0 is Sunday' in done.stderr
    done = processes.run('cron', 'next', 'day_of_week=0', 'hour=12', '--json')
    assert len(rows_of(done.stdout)) == 5
    assert all(time.gmtime(row['at']).tm_wday == 0 for row in rows_of(done.stdout))
    assert 'day_of_week 0 is Monday' in done.stderr


@pytest.mark.parametrize(('words', 'first'), [
    (['0 12 * *'], "Error: '0 12 * *' is not crontab text: wrong number of fields; write minute hour"),
    (['hours=3', 'day=1'], "Error: cron has no field 'hours'; did you mean hour?"),
    (['*/5', 'README', 'tasks', 'some.py', 'b', 'c', 'd'], "Error: '*/5 README tasks some.py b c d' is not cron"),
    (['@daily', '--tz', 'Europe/Berln'], "Error: no time zone 'Europe/Berln'; write a name such as Europe/Berlin"),
    (['day=31', 'month=2'], "Error: cron month='2', day='31' never fires"),
])  # fmt: skip
def test_next_teaches(processes, words, first):
    done = processes.run('cron', 'next', *words)
    assert done.returncode == 2
    assert done.stderr.startswith(first)
    assert ('in quotes' in done.stderr) == (len(words) > 5)


def test_next_of_a_schedule_is_what_stands_in_redis(cli):
    [row] = rows_of(cli('cron', 'next', 'report', '-n', '1', '--json').stdout)
    [listed] = [row for row in rows_of(cli('cron', 'ls', '--json').stdout) if row['name'] == 'report']
    assert row['at'] == listed['next_at']
    assert cli('cron', 'next', 'reprot').returncode == 3


def test_next_of_what_does_not_fire_says_why(cli):
    done = cli('cron', 'next', 'steady')
    assert (done.returncode, done.stdout) == (0, '')
    assert done.stderr == "schedule 'steady' is paused; resume it with: pytask cron resume steady\n"
    done = cli('cron', 'next', 'email', '--json')
    assert (done.returncode, done.stdout) == (0, '')
    why = "schedule 'email' never fires: 2009-11-06T00:00:00+00:00 was already past when it was declared\n"
    assert done.stderr == why
    done = cli('cron', 'next', 'year=2010', '--tz', 'UTC')
    assert (done.returncode, done.stdout, done.stderr) == (0, '', "year='2010' never fires again\n")


def test_next_of_a_schedule_takes_no_zone(cli):
    done = cli('cron', 'next', 'report', '--tz', 'UTC')
    assert (done.returncode, done.stdout) == (2, '')
    says = "--tz is for crontab text and fields; schedule 'report' has its own zone (Europe/Berlin)"
    assert done.stderr.startswith(f'Error: {says}\n')


def test_next_finds_a_schedule_before_it_reads_text(processes, app):
    store = app.client.store.schedules
    for name in ('me@home', 'hour=3', '@daily'):
        store.declare(Declared(name, 'hello', 'default', b'{}', Every(60)), 2_204_150_400_000)
        [row] = rows_of(processes.run('cron', 'next', name, '-n', '1', '--json').stdout)
        assert row['at'] == 2_204_150_400
    store.declare(Declared('once', 'hello', 'default', b'{}', Date(None, 'UTC')), 5000)
    store.fire('once', 5000, None, 'once@1')
    done = processes.run('cron', 'next', 'once')
    assert (done.returncode, done.stdout) == (0, '')
    assert done.stderr.startswith("schedule 'once' is done: it fired ")
    app.client.stop('once@1')


@pytest.mark.parametrize('text', ['@daily', 'hour=3'])
def test_next_reads_text_without_redis(processes, text):
    done = processes.run('--redis', 'redis://127.0.0.1:1', 'cron', 'next', text, '-n', '1')
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 1)


def test_a_run_is_started_later(cli):
    run_id = cli('start', 'report', '--in', '1000').stdout.strip()
    [line] = [line for line in cli('ls', '--state', 'WAIT').stdout.splitlines() if line.startswith(run_id)]
    assert line.split('\t')[5].startswith('due in 17m') or line.split('\t')[5].startswith('due in 16m')
    shown = cli('show', run_id)
    assert '\nat        20' in shown.stdout
    assert shown.stderr.startswith('waits: it is due in 1')
    assert cli('stop', run_id).stdout == f'{run_id}\tapplied\n'
    run_id = cli('start', 'report', '--at', '2001-01-01').stdout.strip()
    assert cli('wait', run_id).returncode == 0
    found = json.loads(cli('start', 'report', '--at', '2039-11-06T08:00:00Z', '--json').stdout)
    assert json.loads(cli('show', found['id'], '--json').stdout)['at'] == 2_204_179_200
    assert json.loads(cli('start', 'report', '--at', '2204179200', '--json').stdout)['state'] == 'WAIT'


@pytest.mark.parametrize(('words', 'first'), [
    (['--at', 'tomorrow'], "Error: Invalid value for '--at': at 'tomorrow' is not a date; write ISO 8601"),
    (['--in', 'soon'], "Error: Invalid value for '--in': 'soon' is not a number of seconds above 0"),
    (['--in', '5', '--at', '2039-01-01'], 'Error: give either --at or --in, not both'),
])  # fmt: skip
def test_what_is_no_time_starts_nothing(processes, redis, words, first):
    done = processes.run('start', 'report', *words)
    assert (done.returncode, done.stdout) == (2, '')
    assert done.stderr.startswith(first)
    assert redis.keys('*') == []
