"""tasks/loop.py against the disk of this machine."""

import shutil

import pytest
from support import ROOT, SOON_S, wait_until

from pytask import AskError, PyTask, State


def test_it_looks_so_many_times_and_tells_what_it_saw(follow, tmp_path):
    loop = follow('loop', path=str(tmp_path), every=0.02, times=3)
    run = loop.wait(timeout=SOON_S)
    disk = shutil.disk_usage(tmp_path)
    assert (run.state, run.output['looks'], run.progress, run.target) == (State.SUCCESS, 3, 3, 3)
    told = loop.of('disk')
    assert [each['path'] for each in told] == [str(tmp_path)] * 3
    for each in told:
        assert each['free_bytes'] == pytest.approx(disk.free, rel=0.5)
        assert 0 < each['used_percent'] <= 100


def test_a_message_changes_the_pace_at_once(follow):
    loop = follow('loop', every=3600)
    wait_until(lambda: len(loop.of('disk')) == 1, 'the first look')
    assert loop.run.send('every', {'seconds': 0.01}) == 'requested'
    wait_until(lambda: len(loop.of('disk')) > 5, 'it looks more often')
    assert loop.run.ask('status')['every'] == 0.01
    run = loop.stop()
    assert run.output['looks'] == len(loop.of('disk')) == run.progress


@pytest.mark.parametrize('seconds', [0, -1, 86_401])
def test_a_bad_pace_is_refused_and_the_run_goes_on(follow, seconds):
    loop = follow('loop', every=0.01)
    wait_until(lambda: loop.of('disk'), 'the first look')
    with pytest.raises(AskError, match=f'one day, not {seconds:g} s'):
        loop.run.ask('every', {'seconds': seconds})
    seen = len(loop.of('disk'))
    wait_until(lambda: len(loop.of('disk')) > seen, 'it goes on')


def test_a_reload_takes_new_data_over_in_the_same_attempt(follow, tmp_path):
    loop = follow('loop', path='/', every=3600)
    wait_until(lambda: loop.of('disk'), 'the first look')
    assert loop.run.reload({'path': str(tmp_path), 'every': 0.01}) == 'applied'
    wait_until(lambda: str(tmp_path) in [told['path'] for told in loop.of('disk')], 'the other disk')
    run = loop.stop()
    assert (run.attempt, run.output['every']) == (1, 0.01)
    assert loop.of('reloaded')


def test_a_disk_that_is_not_there_is_an_error_that_names_it(gallery):
    run = gallery.client.start('loop', {'path': '/no/such'}).wait(timeout=SOON_S)
    assert (run.state, run.output) == (State.ERROR, 'cannot measure /no/such: No such file or directory')
    bad = gallery.client.start('loop', {'every': 0}).wait(timeout=SOON_S)
    assert (bad.state, bad.output) == (State.ERROR, 'every must be from 10 ms to one day, not 0 s')


def test_a_deploy_hands_it_to_the_next_worker(server, worker, gallery):
    other = PyTask(server.url, lease=15, drain=0.1)
    other.discover(ROOT / 'tasks')
    run = gallery.client.start('loop', {'every': 0.02})
    wait_until(lambda: (run.refresh().progress or 0) > 1, 'it looks')
    first, second = run.worker, worker(other)
    gallery.stop()
    wait_until(lambda: run.refresh().worker == second.id and run.state is State.RUNNING, 'the other has it', 30)
    assert run.worker != first
    assert run.stop() == 'requested'
    assert run.wait(timeout=SOON_S).state is State.STOPPED
    other.client.close()
