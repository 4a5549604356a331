"""A child process that a task makes is no worker: nothing else of the worker runs in it."""

import subprocess
import sys

import pytest
from support import ROOT, SOON_S

FORKS = """
    import os, subprocess, sys, multiprocessing
    import gevent, gevent.monkey
    from pytask import Task, task

    JOURNAL = os.environ['JOURNAL']

    def note(what):
        fd = os.open(JOURNAL, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(fd, f'{what}\\n'.encode())
        os.close(fd)

    @task
    def ticks():
        at_home = os.getpid()
        while True:
            gevent.sleep(0.02)
            if os.getpid() != at_home:
                note('a tick in the child')

    def child():
        gevent.sleep(0.2)
        note('child')

    def wait_for(pid):
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    @task
    def exits():
        pid = os.fork()
        if not pid:
            child()
            sys.exit(3)
        return wait_for(pid)

    @task
    def returns():
        pid = os.fork()
        if not pid:
            child()
            return 'from the child'
        return wait_for(pid)

    @task
    def fails():
        pid = os.fork()
        if not pid:
            child()
            raise ValueError('in the child')
        return wait_for(pid)

    @task
    def spawns():
        codes = []
        def fork():
            pid = os.fork()
            if pid:
                codes.append(wait_for(pid))
            else:
                child()
        gevent.spawn(fork).join()
        if not codes:
            note('the waiter woke up in the child')
        return codes[0]

    def fork_raw(body):
        pids = []
        def fork():
            pids.append(os.fork())
            if not pids[0]:
                note('child')
                body()
        gevent.spawn_raw(fork)
        gevent.sleep(0.01)
        return wait_for(pids[0])

    @task
    def raw():
        return fork_raw(lambda: None)

    @task
    def raw_fails():
        return fork_raw(lambda: 1 / 0)

    class Thread(Task):
        def start(self):
            return self.forked(lambda: None)

        def forked(self, end):
            self.ready, go = os.pipe()
            pid = self.offload(self.fork, end)
            watcher = gevent.get_hub().loop.child(pid)  # else its status is nobody's
            os.write(go, b'x')
            gevent.get_hub().wait(watcher)
            return os.waitstatus_to_exitcode(watcher.rstatus)

        def fork(self, end):
            pid = gevent.monkey.get_original('os', 'fork')()  # gevent's own is for the main thread
            if not pid:
                os.read(self.ready, 1)
                note('child')
                end()
            return pid

    class ThreadExits(Thread):
        def start(self):
            return self.forked(lambda: sys.exit(4))

    @task
    def large():
        pid = os.fork()
        if not pid:
            child()
            sys.exit(2**40 + 7)
        return wait_for(pid)

    @task
    def closed():
        pid = os.fork()
        if not pid:
            child()
            sys.stdout = sys.stderr = None
            sys.exit(6)
        return wait_for(pid)

    @task
    def multi():
        process = multiprocessing.get_context('fork').Process(target=child)
        process.start()
        process.join()
        return process.exitcode

    @task
    def terminated():
        process = multiprocessing.get_context('fork').Process(target=gevent.sleep, args=(600,))
        process.start()
        note('child')
        process.terminate()
        process.join()
        return process.exitcode

    @task
    def quick():
        # The child has ended before the worker goes on: nobody may have to be told of it.
        late = lambda: gevent.monkey.get_original('time', 'sleep')(0.5)
        os.register_at_fork(after_in_parent=late)
        pid = os.fork()
        if not pid:
            note('child')
            os._exit(5)
        return wait_for(pid)

    @task
    def command():
        note('child')
        return subprocess.run([sys.executable, '-c', 'raise SystemExit(4)']).returncode
"""


@pytest.mark.one_server
@pytest.mark.parametrize(
    ('task', 'code'),
    [
        ('exits', 3),
        ('returns', 0),
        ('fails', 1),
        ('spawns', 0),
        ('raw', 0),
        ('raw-fails', 1),
        ('thread', 0),
        ('thread-exits', 4),
        ('large', 7),
        ('closed', 6),
        ('multi', 0),
        ('terminated', -15),
        ('quick', 5),
        ('command', 4),
    ],
)
def test_a_fork_records_nothing_and_runs_nothing_else(task, code, processes, redis, tmp_path, app):
    processes.tasks(FORKS)
    journal = tmp_path / 'journal'
    processes.worker('--lease', '2', environment={'JOURNAL': str(journal)})
    ticks = app.client.start('ticks')
    run = app.client.start(task).wait(timeout=20)
    assert (run.state, run.output) == ('SUCCESS', code)
    assert journal.read_text() == 'child\n'
    assert redis.hget('stats', f'SUCCESS:{task}') == '1'
    assert ticks.stop() == 'requested'
    assert ticks.wait(timeout=SOON_S).state == 'STOPPED'


BARE = """
from gevent import monkey; monkey.patch_all()
import os, gevent
from pytask.worker.attempt import forks

forks.install()
pids = []

def fork():
    pids.append(os.fork())
    if not pids[0]:
        END

gevent.spawn_raw(fork)
at_home = os.getpid()
try:
    gevent.sleep(0.1)
finally:
    if os.getpid() != at_home:
        os._exit(99)
print(os.waitstatus_to_exitcode(os.waitpid(pids[0], 0)[1]))
"""


@pytest.mark.parametrize(('end', 'code'), [('return', 0), ('1 / 0', 1), ('raise SystemExit(2**40 + 7)', 7)])
def test_however_a_raw_greenlet_ends_its_fork_never_comes_back_as_the_main_greenlet(end, code):
    script = BARE.replace('END', end)
    done = subprocess.run([sys.executable, '-c', script], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.stdout == f'{code}\n', done.stderr
