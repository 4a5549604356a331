"""Under systemd: what a worker tells the notify socket, and the unit that `pytask init systemd` writes."""

from __future__ import annotations

import configparser
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from string import Template

import pytest
from support import ROOT, wait_until

from pytask.cli.commands.init import unit
from pytask.config.settings import Settings
from pytask.worker.monitoring.watchdog import Notifier
from pytask.worker.shutdown import STOP_LIMIT_S

pytestmark = pytest.mark.one_server

TASKS = """
    from gevent import monkey
    from pytask import task

    really_sleep = monkey.get_original('time', 'sleep')

    @task
    def block(seconds: float):
        really_sleep(seconds)

    @task
    def done():
        pass
"""


class Manager:
    """systemd's end of the socket."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.settimeout(0.01)
        self.socket.bind('\0' + address[1:] if address.startswith('@') else address)
        self.address = address
        self.lines = []

    def heard(self):
        """Return all lines so far."""
        while True:
            try:
                self.lines += self.socket.recv(4096).decode().split('\n')
            except TimeoutError:
                return self.lines


@pytest.fixture(params=['path', 'abstract'])
def manager(request, tmp_path):
    if request.param == 'abstract' and sys.platform != 'linux':
        pytest.skip('abstract sockets are of Linux')
    address = str(tmp_path / 'notify') if request.param == 'path' else f'@pytask-test-{secrets.token_hex(8)}'
    manager = Manager(address)
    yield manager
    manager.socket.close()


def start(processes, manager, *more, **environment):
    tasks = str(processes.tasks(TASKS))
    environment = {'NOTIFY_SOCKET': manager.address, **environment}
    return processes.worker('--tasks', tasks, *more, environment=environment)


def test_a_worker_tells_when_it_claims_and_when_it_stops(processes, manager):
    worker = start(processes, manager, '--drain', '7')
    wait_until(lambda: 'READY=1' in manager.heard(), 'it says so', 20)
    assert 'STATUS=ready' in manager.heard()
    assert 'STOPPING=1' not in manager.lines
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0
    assert manager.heard().count('STOPPING=1') == 1
    (extend,) = [line for line in manager.lines if line.startswith('EXTEND_TIMEOUT_USEC=')]
    assert int(extend.partition('=')[2]) > (7 + STOP_LIMIT_S) * 1e6
    assert 'WATCHDOG=1' not in manager.lines


def test_a_worker_that_starts_itself_anew_is_not_stopping(processes, manager):
    worker = start(processes, manager, '--max-memory', '1')
    assert worker.wait(40) == 75  # a second time within a minute it may not
    told = [line for line in manager.heard() if line in ('READY=1', 'STATUS=restarting', 'STOPPING=1')]
    assert list(dict.fromkeys(told)) == ['READY=1', 'STATUS=restarting', 'STOPPING=1']
    assert (told.count('READY=1'), told.count('STOPPING=1')) == (2, 1)
    assert told.index('STOPPING=1') > told.index('READY=1', 1)


@pytest.mark.timeout(90)
def test_the_watchdog_is_fed_through_an_outage_and_not_by_a_hub_that_is_blocked(processes, manager, server):
    start(processes, manager, '--lease', '60', WATCHDOG_USEC='1500000')

    def fed():
        return manager.heard().count('WATCHDOG=1')

    wait_until(lambda: fed() >= 2, 'it is fed', 20)
    server.freeze()
    try:
        before = fed()
        begun = time.monotonic()
        wait_until(lambda: fed() >= before + 14, 'it is fed while Redis is away', 40)
        assert time.monotonic() - begun > 5  # longer than a reply is waited for
    finally:
        server.thaw()
    assert processes.run('start', 'done', timeout=30).returncode == 0
    processes.run('start', 'block', 'seconds=4')
    time.sleep(1.5)  # time itself is the subject: it blocks by now
    before = fed()
    time.sleep(1.5)
    assert fed() == before
    wait_until(lambda: fed() > before, 'it is fed again', 20)


def test_a_watchdog_of_another_process_is_not_ours(tmp_path):
    path = str(tmp_path / 'notify')
    mine = {'NOTIFY_SOCKET': path, 'WATCHDOG_USEC': '3000000'}
    for environment, expected in (
        (mine, 3.0),
        (mine | {'WATCHDOG_PID': str(os.getpid())}, 3.0),
        (mine | {'WATCHDOG_PID': '1'}, 0.0),
        (mine | {'WATCHDOG_USEC': 'soon'}, 0.0),
        ({'WATCHDOG_USEC': '3000000'}, 0.0),
        ({}, 0.0),
    ):
        notifier = Notifier(environment)
        assert notifier.watchdog_s == expected
        notifier.tell('READY=1')  # nobody listens: no matter
        notifier.close()


def parsed(text):
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str
    parser.read_string(text)
    return parser


def test_the_unit_is_for_this_folder_and_this_python(processes):
    done = processes.run('init', 'systemd')
    assert done.returncode == 0
    path = processes.folder / 'pytask.service'
    assert f'wrote {path}' in done.stdout
    assert 'systemctl enable --now pytask' in done.stdout
    found = parsed(path.read_text())
    assert found['Unit']['StartLimitIntervalSec'] == '0'
    service = found['Service']
    assert service['WorkingDirectory'] == str(processes.folder)
    assert service['ExecStart'] == f'{sys.executable} -m pytask worker'
    assert (service['Type'], service['NotifyAccess'], service['KillMode']) == ('notify', 'main', 'mixed')
    assert (service['Restart'], service['RestartSec']) == ('on-failure', '3')
    assert service['RestartPreventExitStatus'] == '2 78'


def test_nothing_is_overwritten_without_force(processes):
    path = processes.folder / 'other' / 'pytask.service'
    path.parent.mkdir()
    path.write_text('mine')
    done = processes.run('init', 'systemd', '--dir', 'other')
    assert (done.returncode, path.read_text()) == (2, 'mine')
    assert '--force' in done.stderr
    assert processes.run('init', 'systemd', '--dir', 'other', '--force').returncode == 0
    assert 'ExecStart' in path.read_text()


@pytest.mark.parametrize('drain_s', [0, 0.5, 10, 300])
def test_the_units_limits_are_above_the_settings(tmp_path, drain_s):
    service = parsed(unit(tmp_path, Settings(drain_s=drain_s)))['Service']
    assert int(service['TimeoutStopSec']) > drain_s + STOP_LIMIT_S
    assert int(service['WatchdogSec']) > Settings().max_hang_s


def test_every_line_of_the_sample_is_filled(tmp_path):
    sample = (ROOT / 'pytask' / 'samples' / 'pytask.service').read_text()
    assert Template(sample).is_valid()
    assert '$' not in unit(tmp_path, Settings())


@pytest.mark.skipif(not shutil.which('systemd-analyze'), reason='no systemd-analyze here')
@pytest.mark.parametrize('name', ['plain', '100% a b'])
def test_systemd_finds_no_fault_with_the_unit(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    path = tmp_path / 'pytask.service'
    path.write_text(unit(folder, Settings()))
    done = subprocess.run(['systemd-analyze', 'verify', path], capture_output=True, text=True, check=False)
    # It verifies what the unit wants too: only what it says of ours counts.
    assert [line for line in (done.stdout + done.stderr).splitlines() if 'pytask' in line] == []
