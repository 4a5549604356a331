"""Several pytest processes side by side, each on some of the files: `bin/test`, or `pytest --lanes 4`.

Most tests wait: for leases, outages, processes. pytest-xdist crashes with a patched conftest, so this process
collects, hands out files, or parts of long ones, and reports what its lanes report as if it had run here, a part at
a time. A lane collects only the files it is given, since all of them take 9 s of CPU. The output, the summary and
the exit code are pytest's own. What has no report counts as failed: a lane that dies is never taken for one that
passed.
"""

from __future__ import annotations

import contextlib
import gc
import json
import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections import defaultdict, deque
from types import SimpleNamespace

import gevent
import pytest
from _pytest.runner import collect_one_node
from gevent.queue import Queue
from greenlet import greenlet

END_S = 90  # for a lane to end what its tests have started
SHOW_S = 5  # for one that hangs to say where
SECONDS = 'lanes/seconds'
# Of a test that has no time of its own yet, as in a fresh clone; measured over each folder.
SECONDS_A_TEST = {'faults': 4.0, 'system': 2.5, 'docs': 2.0, 'contrib': 1.0, 'worker': 0.5, 'page': 1.5}
LONGEST_S = 30  # what one part of a file may take, so that no lane is at work long after the others
LAST_WORDS = 4000  # of a lane that died
GOOD_CODES = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)


def lanes(text):
    return 3 * (os.cpu_count() or 1) if text == 'auto' else int(text)


def pytest_addoption(parser):
    parser.addoption('--lanes', type=lanes, default=0, help='run in so many processes; auto: three for each core')
    parser.addoption('--lane', type=int, help='be a lane, told of its tests through this file descriptor')


def pytest_configure(config):
    if config.option.lane:
        config.workerinput = {}  # which tells pytest to leave cache and report files to who started this one
        config.pluginmanager.register(Lane(config))
    elif config.option.lanes and not config.option.collectonly:
        config.pluginmanager.register(Lanes(config))


def print_stacks(*_):
    for one in gc.get_objects():
        if isinstance(one, greenlet) and one.gr_frame:
            print(one, ''.join(traceback.format_stack(one.gr_frame)), sep='\n', file=sys.stderr, flush=True)


class Lane:
    """Inside a lane: runs the tests it is told of, and tells what is reported."""

    def __init__(self, config):
        self._config, self._files, self._tests = config, {}, {}
        os.set_inheritable(config.option.lane, False)
        signal.signal(signal.SIGUSR2, print_stacks)
        with socket.socket(fileno=config.option.lane) as pipe:
            self._pipe = pipe.makefile('rw')

    def pytest_collection(self, session):
        # Only folders. Which tests of them are wanted is up to the process that started this.
        self._config.option.keyword = self._config.option.markexpr = ''
        session.perform_collect([str(self._config.rootpath)], genitems=False)
        session.items = []
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items):
        # Fixtures of a conftest are bound to the node of its folder, so each folder is collected once, and now.
        args = [self._config.invocation_params.dir / arg.partition('::')[0] for arg in self._config.args]
        nodes = [node for node in items if isinstance(node, pytest.Directory)]
        while nodes:
            for node in collect_one_node(nodes.pop()).result:
                if not isinstance(node, pytest.Directory):
                    self._files[node.path] = node
                elif any(node.path.is_relative_to(arg) or arg.is_relative_to(node.path) for arg in args):
                    nodes.append(node)
        items.clear()

    def pytest_runtestloop(self, session):
        following_part = SimpleNamespace(listchain=lambda: [session])  # what ends with the session is kept
        for line in self._pipe:
            names = json.loads(line)
            found = self._items(session, self._config.rootpath / names[0].partition('::')[0])
            items = [found[name] for name in names if name in found]
            for item, following in zip(items, [*items[1:], following_part], strict=False):
                item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
            self._tell(None)
        return True

    def _items(self, session, path):
        """Return the tests of a file by name, collected once."""
        if path not in self._tests:
            file = self._files.get(path)
            self._tests[path] = {item.nodeid: item for item in (session.genitems(file) if file else ())}
        return self._tests[path]

    def pytest_runtest_logreport(self, report):
        self._tell(self._config.hook.pytest_report_to_serializable(config=self._config, report=report))

    def _tell(self, message):
        self._pipe.write(json.dumps(message) + '\n')
        self._pipe.flush()


class Share:
    """Tests of one file, all or a part, what was reported of them, and why there is no more."""

    def __init__(self, path, items, why='no lane has run it: has it another name in each process?'):
        self.path, self.items, self.why = path, items, why
        self.reports = defaultdict(list)

    @property
    def seconds(self):
        return sum(report.duration for reports in self.reports.values() for report in reports)

    def told(self):
        """Return each test with its reports, and a failure for one whose reports are not whole."""
        for item in self.items:
            reports = self.reports[item.nodeid]
            if not reports or reports[-1].when != 'teardown':
                reports.append(pytest.TestReport(item.nodeid, item.location, {}, 'failed', self.why, 'call'))
            yield item, reports


class Process:
    """A lane as seen from outside."""

    def __init__(self, config):
        ours, its = socket.socketpair()
        self._config, self._said = config, tempfile.TemporaryFile()  # noqa: SIM115
        with ours, its:
            command = [sys.executable, '-m', 'gevent.monkey', '--module', 'pytest', *config.invocation_params.args]
            self._process = subprocess.Popen(
                [*command, '--lane', str(its.fileno())], cwd=config.invocation_params.dir, pass_fds=[its.fileno()],
                stdin=subprocess.DEVNULL, stdout=self._said, stderr=self._said,
                env=os.environ | {'PYTHONFAULTHANDLER': '1'},  # also when pytest's own is over
                process_group=0,  # Ctrl-C is for the process that started it, which passes it on once
            )  # fmt: skip
            self._pipe = ours.makefile('rw')

    def run(self, share):
        """Have a share run; return whether the lane is good for another."""
        with contextlib.suppress(OSError):
            self._pipe.write(json.dumps([item.nodeid for item in share.items]) + '\n')
            self._pipe.flush()
            for line in self._pipe:
                if not (data := json.loads(line)):
                    return True
                report = self._config.hook.pytest_report_from_serializable(config=self._config, data=data)
                if isinstance(report.longrepr, list):  # the place of a skip: JSON has no tuples
                    report.longrepr = tuple(report.longrepr)
                share.reports[report.nodeid].append(report)
        share.why = self.end() or 'the lane ended too early'
        return False

    def interrupt(self):
        self._process.send_signal(signal.SIGINT)

    def end(self):
        """Let it end, and all that its tests have started; return what was wrong with it, or ''."""
        with contextlib.suppress(OSError):
            self._pipe.close()
        try:
            code = self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            code = 'none'
            for show in (signal.SIGUSR2, signal.SIGABRT):  # its greenlets, and if these have no turn, its threads
                self._process.send_signal(show)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(SHOW_S)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        with self._said as said:
            said.seek(0)
            last_words = said.read().decode(errors='replace')[-LAST_WORDS:]
        return '' if code in GOOD_CODES else f'its lane died, exit code {code}; it said last:\n{last_words}'


class Lanes:
    """Outside: hands out the files, and reports what comes back."""

    def __init__(self, config):
        self._config, self._drivers = config, []
        self._before = config.cache.get(SECONDS, {})  # of each file when it last ran
        self._seconds = defaultdict(float)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session):
        if session.testsfailed:
            return None  # while collecting: pytest's own loop tells
        try:
            self._run(session, self._shares(session.items))
        finally:
            gevent.killall(self._drivers)
            self._config.cache.set(SECONDS, self._before | self._seconds)
        return True

    def _run(self, session, shares):
        done = Queue()
        self._drivers = [gevent.spawn(self._drive, shares, done) for _ in range(self._config.option.lanes)]
        for _ in self._drivers:
            for share in iter(done.get, None):
                self._tell(session, share)
        for share in shares:  # that no lane was left for
            self._tell(session, share)

    def _drive(self, shares, done):
        """Keep a lane at work; where it dies, start another."""
        process = None
        try:
            while shares:
                share = shares.popleft()
                try:
                    process = process or Process(self._config)
                    process = process if process.run(share) else None
                finally:
                    done.put(share)
        except gevent.GreenletExit:
            if process:
                process.interrupt()
            raise
        finally:
            if process and (why := process.end()):
                done.put(Share('', [SimpleNamespace(nodeid='a lane', location=('a lane', None, 'end'))], why))
            done.put(None)

    def _tell(self, session, share):
        hook = self._config.hook
        self._seconds[share.path] += share.seconds
        for item, reports in share.told():
            hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
            for report in reports:
                hook.pytest_runtest_logreport(report=report)
            hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)

    def _shares(self, items):
        """Return the tests of each file as shares of about the same length: those that take longest first."""
        files = defaultdict(list)
        for item in items:
            files[item.nodeid.partition('::')[0]].append(item)
        shares = []
        for path, its in files.items():
            seconds = self._expected(path, len(its))
            size = math.ceil(len(its) / math.ceil(seconds / LONGEST_S))
            parts = [its[i : i + size] for i in range(0, len(its), size)]
            shares += [(seconds / len(parts), Share(path, part)) for part in parts]
        return deque(share for _, share in sorted(shares, key=lambda share: -share[0]))

    def _expected(self, path, count):
        weights = [SECONDS_A_TEST[folder] for folder in path.split('/') if folder in SECONDS_A_TEST]
        return max(self._before.get(path, count * (weights or [0.1])[-1]), 0.01)
