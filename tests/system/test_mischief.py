"""What a task does to its whole process: the worker goes on, obeys, and ends when told."""

import contextlib
import signal
import subprocess

import pytest
from support import wait_until

from pytask import PyTask

TASKS = """
    import builtins, concurrent.futures, logging, os, signal, socket, sys, tempfile, threading
    import gevent
    from gevent import monkey
    from pytask import Task, task

    really_sleep = monkey.get_original('time', 'sleep')
    start_thread = monkey.get_original('_thread', 'start_new_thread')

    def ignore_signals():
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)

    def set_an_alarm():
        signal.alarm(1)
        signal.setitimer(signal.ITIMER_VIRTUAL, 0.01)
        signal.setitimer(signal.ITIMER_PROF, 0.01)
        gevent.sleep(1.5)

    def replace_the_error_handler():
        def fail(*args):
            raise ValueError('mine')
        gevent.get_hub().handle_error = fail

    def lower_the_recursion_limit():
        sys.setrecursionlimit(60)

    def clear_the_environment():
        os.environ.clear()

    def leave_for_a_folder_that_goes():
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)

    def close_sockets():
        for name in os.listdir('/proc/self/fd'):
            try:
                if os.readlink(f'/proc/self/fd/{name}').startswith('socket:'):
                    os.close(int(name))
            except OSError:
                pass

    def close_standard_streams():
        sys.stderr.close()
        sys.stdout.close()

    def replace_builtins():
        builtins.print = builtins.open = builtins.input = None

    def shut_logging_down():
        logging.shutdown()
        logging.disable()

    def leave_a_thread():
        threading.Thread(target=really_sleep, args=(0,)).start()
        threading.Thread(target=gevent.sleep, args=(600,)).start()

    def leave_native_threads():
        start_thread(really_sleep, (600,))
        gevent.get_hub().threadpool.spawn(really_sleep, 600)
        concurrent.futures.ThreadPoolExecutor().submit(gevent.sleep, 600)

    class Mischief(Task):
        def __init__(self, kind: str):
            self.kind = kind

        def start(self):
            globals()[self.kind]()

    class Compute(Task):
        graceful = True

        def start(self):
            self.offload(really_sleep, 600)

    @task
    def quick():
        raise_and_catch()
        gevent.spawn(fail).join()
        return 'unharmed'

    def fail():
        raise KeyError('of a child')

    @task
    def deep():
        raise_and_catch(300)

    def raise_and_catch(depth=20):
        if depth:
            raise_and_catch(depth - 1)
"""
KINDS = [
    line.split()[1].partition('(')[0]
    for line in TASKS.partition('class ')[0].splitlines()
    if line[:8] == '    def '
]

pytestmark = pytest.mark.one_server


@pytest.fixture
def client(server):
    app = PyTask(server.url)
    yield app.client
    app.client.close()


@pytest.fixture
def worker(processes):
    processes.tasks(TASKS)
    return processes.worker('--lease', '2', '--drain', '0', '--name', 'the')


@pytest.mark.promise(4)
@pytest.mark.parametrize('kind', KINDS)
def test_the_worker_goes_on_and_ends_when_told(worker, client, redis, kind):
    innocent = client.start('quick').wait(timeout=20)
    run = client.start('mischief', {'kind': kind})
    run.wait(timeout=30)
    assert run.refresh().crashes == 0
    for _ in range(3):
        after = client.start('quick').wait(timeout=20)
        assert (after.state, after.output, after.worker) == ('SUCCESS', 'unharmed', innocent.worker)
    assert client.start('mischief', {'kind': 'none'}).wait(timeout=20).state == 'EXCEPTION'  # which is logged
    wait_until(lambda: client.start('deep').wait(timeout=20).state == 'SUCCESS', 'there is room again')
    wait_until(lambda: ends(worker), 'it ends when told', 20)
    assert worker.wait() == 0
    assert redis.zcard('leases') == redis.zcard('workers') == 0


@pytest.mark.promise(4)
def test_sockets_closed_again_and_again_leave_nobody_with_the_socket_of_another(worker, client):
    # The number of a closed socket is given to the next one: who does not notice reads another's answers.
    for _ in range(60):
        mischief = client.start('mischief', {'kind': 'close_sockets'}).wait(timeout=30)
        assert (mischief.state, mischief.crashes, worker.poll()) == ('SUCCESS', 0, None)
    assert client.start('quick').wait(timeout=20).output == 'unharmed'
    wait_until(lambda: ends(worker), 'it ends when told', 20)
    assert worker.returncode == 0


def ends(worker):
    # What a task did to the signal handlers is put right within a second: until then it may not hear.
    worker.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        worker.wait(timeout=5)
    return worker.poll() is not None


@pytest.mark.promise(3)
def test_a_native_thread_that_never_ends_does_not_hold_the_worker(worker, client):
    run = client.start('compute')
    wait_until(lambda: run.refresh().state == 'RUNNING', 'it runs')
    worker.send_signal(signal.SIGTERM)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=20) in (0, 75)
    run.stop()
