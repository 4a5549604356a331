"""Ctrl-C ends `pytask dev` at any moment: nothing is left running, and the terminal is as it was."""

import os
import signal
import subprocess
import sys
import termios

import psutil
import pytest
from devs import Devs, is_there
from support import wait_until

pytestmark = pytest.mark.one_server

QUICK = """
    from pytask import task

    @task
    def quick():
        return 1
"""
# Its stop() takes longer than a handover waits.
STUBBORN = """
    import gevent
    from pytask import Task

    class Stubborn(Task):
        DEMO = {}
        GRACE = 2

        def stop(self):
            print('asked')
            gevent.sleep(2)

        def start(self):
            print('begun, VALUE')
            gevent.sleep(3600)
"""
IMPORTS_FOR_EVER = """
    import time
    print('importing')
    time.sleep(3600)
"""
CTRL_C = b'\x03'


@pytest.fixture
def devs(tmp_path, server_binary):
    with Devs(tmp_path, server_binary) as devs:
        yield devs


def assert_clean(dev, code=0):
    assert dev.ended() == code
    assert 'Traceback' not in dev.text
    assert 'KeyboardInterrupt' not in dev.text
    assert dev.text.rstrip().endswith('stopped')
    assert termios.tcgetattr(dev.slave) == dev.modes


def test_while_it_imports(devs):
    devs.save('tasks/some.py', IMPORTS_FOR_EVER)
    dev = devs.start(terminal=True)
    dev.shows('importing')
    dev.type(CTRL_C)
    assert_clean(dev)


def test_as_soon_as_it_has_greeted(devs):
    devs.save('tasks/some.py', QUICK)
    dev = devs.start(terminal=True)
    dev.shows('redis ')
    dev.type(CTRL_C)
    assert_clean(dev)
    assert not (devs.folder / '.pytask/redis/server.json').exists()


def test_while_a_run_is_going_on(devs):
    devs.save('tasks/some.py', STUBBORN)
    dev = devs.start(terminal=True)
    dev.shows('begun')
    dev.type(CTRL_C)
    dev.shows('asked')
    dev.shows('Ctrl-C again interrupts them')
    assert_clean(dev)


def test_twice_hurries(devs):
    devs.save(
        'tasks/some.py',
        STUBBORN.replace('gevent.sleep(2)', 'gevent.sleep(3600)').replace('GRACE = 2', 'GRACE = None'),
    )
    dev = devs.start(terminal=True)
    dev.shows('begun')
    dev.type(CTRL_C)
    dev.shows('asked')
    dev.type(CTRL_C)
    assert_clean(dev)
    dev = devs.start('--no-demo', terminal=True)  # what was cut short was given back
    dev.shows('begun')


def test_while_runs_are_handed_over(devs):
    devs.save('tasks/some.py', STUBBORN.replace('VALUE', '1'))
    dev = devs.start(terminal=True)
    dev.shows('begun, 1')
    devs.save('tasks/some.py', STUBBORN.replace('VALUE', '2'))
    dev.shows('asked')
    dev.type(CTRL_C)
    assert_clean(dev)
    dev = devs.start('--no-demo', terminal=True)
    dev.shows('begun, 2')


def test_while_new_code_is_being_imported(devs):
    devs.save('tasks/some.py', STUBBORN)
    dev = devs.start(terminal=True)
    dev.shows('begun')
    devs.save('tasks/other.py', IMPORTS_FOR_EVER)
    dev.shows('importing')
    dev.type(CTRL_C)
    assert_clean(dev)


def test_while_nothing_imports(devs):
    devs.save('tasks/some.py', 'import no_such_module\n')
    dev = devs.start(terminal=True)
    dev.shows('No worker is running')
    dev.type(CTRL_C)
    assert_clean(dev)


def test_three_times_end_what_does_not_answer(devs):
    devs.save('tasks/some.py', STUBBORN.replace('gevent.sleep(3600)', 'while True: pass'))
    dev = devs.start(terminal=True)
    dev.shows('begun')
    for _ in range(3):
        dev.type(CTRL_C)
    assert dev.ended() == 130
    assert 'The worker did not stop in time and was killed' in dev.text


def test_a_signal_to_the_first_process_alone_does_as_well(devs):
    devs.save('tasks/some.py', STUBBORN)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        dev = devs.start(terminal=True)
        dev.shows('begun')
        dev.process.send_signal(number)
        assert_clean(dev)


def test_a_closed_terminal_ends_it(devs):
    devs.save('tasks/some.py', STUBBORN)
    dev = devs.start()
    dev.shows('begun')
    dev.process.send_signal(signal.SIGHUP)
    assert dev.ended() == 0


def test_a_kill_leaves_neither_worker_nor_server_and_no_run_is_lost(devs):
    devs.save('tasks/some.py', STUBBORN)
    dev = devs.start()
    dev.shows('begun')
    server = psutil.Process(devs.server['pid'])
    dev.process.kill()
    dev.ended()
    wait_until(lambda: not is_there(server), 'the server is gone')


def test_who_reads_no_more_ends_it(devs):
    devs.save('tasks/some.py', STUBBORN)
    for words in ((), ('--no-reload',)):
        read, write = os.pipe()
        with open(write, 'wb', closefd=True) as out, (devs.folder / 'err').open('w') as err:  # noqa: PTH123
            process = subprocess.Popen(
                [sys.executable, '-m', 'pytask', 'dev', *words], cwd=devs.folder, env=devs.environment, stdout=out,
                stderr=err,
            )  # fmt: skip
        with open(read) as lines:  # noqa: PTH123
            assert lines.readline().startswith('pytask ')
        assert process.wait(40) == 0
        assert (devs.folder / 'err').read_text() == ''


def test_the_lines_before_a_run_are_dim_on_a_terminal(devs):
    devs.save('tasks/some.py', STUBBORN)
    dev = devs.start(terminal=True)
    dev.shows('\x1b[2mstubborn ')
    assert ' │\x1b[0m begun' in dev.text
