"""Tasks of the kinds people write: each works, or ends with a word on what to do instead."""

import re
import textwrap

import pytest
from support import wait_until

from pytask import PyTask, State

pytestmark = pytest.mark.one_server

WORK = """
    import asyncio, concurrent.futures, contextlib, dataclasses, functools, logging, multiprocessing, os, queue
    import select, socket, sqlite3, subprocess, sys, threading, time, urllib.request

    import gevent
    import gevent.pool
    import gevent.queue
    import gevent.subprocess
    from pytask import Task, task

    shared = sqlite3.connect(':memory:')  # a connection made at import

    def double(n):
        return 2 * n

    class Poll(Task):
        def __init__(self, url: str):
            self.url = url

        def start(self):
            for look in self.every(0.05):
                try:
                    urllib.request.urlopen(self.url, timeout=5)
                except OSError as error:
                    self.message(error)
                if look == 2:
                    return 'polled'

    class ShellGevent(Task):
        def start(self):
            command = ['sh', '-c', 'echo out; echo err >&2; exit 3']
            pipe = gevent.subprocess.PIPE
            with gevent.subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
                return [*process.communicate(), process.returncode]

    class ShellPlain(Task):
        def start(self):
            return subprocess.run(['echo', 'out'], capture_output=True, text=True).stdout

    class Queue(Task):
        def start(self):
            queue = gevent.queue.Queue()
            self.spawn(lambda: [queue.put(n) for n in [1, 2, 3, StopIteration]])
            return sum(queue)

    class QueuePlain(Task):
        def start(self):
            numbers = queue.Queue()
            self.spawn(lambda: [numbers.put(n) for n in range(4)])
            return sum(numbers.get() for _ in range(4))

    class Pool(Task):
        def start(self):
            return gevent.pool.Pool(3).map(lambda n: (time.sleep(0.01), n)[1], range(6))

    class Threads(Task):
        def start(self):
            done = []
            threads = [threading.Thread(target=done.append, args=(n,)) for n in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return sorted(done)

    class ThreadPool(Task):
        def start(self):
            with concurrent.futures.ThreadPoolExecutor(2) as threads:
                return list(threads.map(double, range(4)))

    class Processes(Task):
        def start(self):
            fork = multiprocessing.get_context('fork')
            with concurrent.futures.ProcessPoolExecutor(2, mp_context=fork) as processes:
                return list(processes.map(double, range(4)))

    class Fork(Task):
        def start(self):
            pid = os.fork()
            if not pid:
                os._exit(7)
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    class SocketLoop(Task):
        def start(self):
            ours, theirs = socket.socketpair()
            self.spawn(lambda: (theirs.sendall(b'one\\ntwo\\n'), theirs.close()))
            with ours, ours.makefile() as lines:
                return [line.strip() for line in lines]

    class Select(Task):
        def start(self):
            ours, theirs = socket.socketpair()
            with ours, theirs:
                return [len(ready) for ready in select.select([ours], [ours], [], 1)]

    class Sqlite(Task):
        def start(self):
            with contextlib.closing(sqlite3.connect(':memory:')) as db, db:
                db.execute('CREATE TABLE t (n)')
                db.executemany('INSERT INTO t VALUES (?)', [(n,) for n in range(5)])
                return db.execute('SELECT sum(n) FROM t').fetchone()[0]

    class Shared(Task):
        def start(self):
            return shared.execute('SELECT 42').fetchone()[0]

    @dataclasses.dataclass
    class Data(Task):
        url: str
        depth: int = 2
        tags: list[str] = dataclasses.field(default_factory=list)

        def start(self):
            return [self.url, self.depth, self.tags]

    @dataclasses.dataclass(frozen=True)
    class Frozen(Task):
        url: str

        def start(self):
            self.progress(1)
            return self.url

    class ReadOnly(Task):
        def __setattr__(self, name, value):
            raise AttributeError('read only')

        def start(self):
            return 'read'

    class Kwargs(Task):
        def __init__(self, **kwargs):
            self.kwargs = kwargs

        def start(self):
            return self.kwargs

    def tried_thrice(start):
        @functools.wraps(start)
        def wrapper(self):
            for n in range(3):
                with contextlib.suppress(OSError):
                    return start(self, n)
            raise self.Error('gave up')
        return wrapper

    class Decorated(Task):
        def once(self, n):
            raise OSError(n)

        def start(self):
            return tried_thrice(type(self).once)(self)

    class Base(Task):
        def __init__(self, a: int = 1):
            self.a = a

    class Child(Base):
        def __init__(self, b: int, **more):
            super().__init__(**more)
            self.b = b

        def start(self):
            return [self.a, self.b]

    class Grandchild(Child):
        def start(self):
            return [*super().start(), 3]

    class Greeting:
        def greet(self):
            return 'hi'

    class Mixed(Greeting, Task):
        def start(self):
            return self.greet()

    class Mutable(Task):
        seen = []  # one list for all runs of this worker

        def start(self):
            self.seen.append(self.id)
            return len(self.seen) > 0

    class Parent(Task):
        def start(self):
            runs = [self.client.start('child', {'b': n}) for n in range(3)]
            return [run.wait(timeout=20).output[1] for run in runs]

    class StopsItself(Task):
        def start(self):
            self.client.stop(self.id)
            time.sleep(60)

    class Coroutine(Task):
        def start(self):
            async def main(n):
                await asyncio.sleep(0.05)
                return n
            runs = [self.spawn(self.offload, asyncio.run, main(n)) for n in range(3)]
            return [run.get() for run in runs]

    class Lock(Task):
        lock = threading.Lock()

        def start(self):
            with self.lock:
                time.sleep(0.05)
            return 'had it'

    @task
    def add(a: int, b: int):
        return a + b
"""

WORKS = {
    'poll': ({'url': 'http://127.0.0.1:1/'}, 'polled'),
    'shell-gevent': ({}, ['out\n', 'err\n', 3]),
    'shell-plain': ({}, 'out\n'),
    'queue': ({}, 6),
    'queue-plain': ({}, 6),
    'pool': ({}, [0, 1, 2, 3, 4, 5]),
    'threads': ({}, [0, 1, 2, 3]),
    'thread-pool': ({}, [0, 2, 4, 6]),
    'processes': ({}, [0, 2, 4, 6]),
    'fork': ({}, 7),
    'socket-loop': ({}, ['one', 'two']),
    'select': ({}, [0, 1, 0]),
    'sqlite': ({}, 10),
    'shared': ({}, 42),
    'data': ({'url': 'x', 'depth': '3'}, ['x', 3, []]),
    'frozen': ({'url': 'x'}, 'x'),
    'read-only': ({}, 'read'),
    'kwargs': ({'any': [1]}, {'any': [1]}),
    'child': ({'b': 2}, [1, 2]),
    'grandchild': ({'b': 2, 'a': 7}, [7, 2, 3]),
    'mixed': ({}, 'hi'),
    'mutable': ({}, True),
    'parent': ({}, [0, 1, 2]),
    'coroutine': ({}, [0, 1, 2]),
    'lock': ({}, 'had it'),
    'add': ({'a': 1, 'b': '2'}, 3),
}


@pytest.fixture
def client(server):
    app = PyTask(server.url)
    yield app.client
    app.client.close()


def test_what_people_write_works(processes, client):
    """All of them at the same time, in one worker."""
    processes.tasks(WORK)
    processes.worker()
    runs = {name: client.start(name, data) for name, (data, _) in WORKS.items()}
    runs['decorated'], runs['stops-itself'] = client.start('decorated'), client.start('stops-itself')
    client.wait(*runs.values(), timeout=50)
    ends = {name: (run.refresh().state, run.output) for name, run in runs.items()}
    assert ends.pop('decorated') == (State.ERROR, 'gave up')
    assert ends.pop('stops-itself') == (State.STOPPED, None)
    assert ends == {name: (State.SUCCESS, output) for name, (_, output) in WORKS.items()}


FAILS = """
    import logging, pathlib
    from pytask import Task, task

    class EmitsAnObject(Task):
        def start(self):
            self.emit('page', {'at': object()})

    class ReturnsAPath(Task):
        def start(self):
            return pathlib.Path('/')

    class ReturnsAGenerator(Task):
        def start(self):
            return (n for n in range(3))

    class StopsBadly(Task):
        def start(self):
            self.stop()

    class Configures(Task):
        def start(self):
            logging.basicConfig(level=logging.DEBUG)
            self.log.warning('only once')
"""


@pytest.fixture
def failing(processes, client, tmp_path):
    """Run a task of FAILS, and return the run and what its worker wrote to stderr."""
    processes.tasks(FAILS)
    log = tmp_path / 'log'
    with log.open('w') as stderr:
        processes.worker(stderr=stderr)

    def run(name):
        return client.start(name).wait(timeout=20), log.read_text

    return run


def test_errors_say_what_was_wrong(failing):
    run, _ = failing('emits-an-object')
    assert run.output['message'] == "event 'page': Encoding objects of type object is unsupported"
    run, _ = failing('returns-a-path')
    assert 'start returned a value that cannot be JSON: ' in run.output['message']
    run, _ = failing('returns-a-generator')
    assert 'of type generator is unsupported' in run.output['message']
    run, _ = failing('stops-badly')
    assert "no attribute 'stop'" in run.output['message']


def test_a_task_that_sets_up_logging_does_not_double_the_workers_log(failing):
    run, log = failing('configures')
    failing('stops-badly')
    wait_until(lambda: 'stops-badly EXCEPTION' in log(), 'the later one is logged')
    assert log().count('only once') == 1
    assert log().count('stops-badly EXCEPTION') == 1
    assert run.state is State.SUCCESS


HEAD = 'import asyncio, socket\nfrom pytask import Task, task\n'
REFUSED = {
    'async': (
        """
        class T(Task):
            async def start(self): pass
        """,
        "'t' must be a plain function, not async and not a generator: to run a coroutine, call `self.offload(",
    ),
    'async function': (
        """
        @task
        async def t(): pass
        """,
        'to run a coroutine, call `self.offload(asyncio.run, main())`',
    ),
    'generator': (
        """
        class T(Task):
            def start(self): yield 1
        """,
        'use `emit` instead of yield; the return value is the output',
    ),
    'async stop': (
        """
        class T(Task):
            def start(self): pass
            async def stop(self): pass
        """,
        "stop of 't' must be a plain function",
    ),
    'start takes inputs': (
        """
        class T(Task):
            def start(self, url, depth=2): pass
        """,
        "start of 't' is called without arguments, but takes url: inputs belong to `__init__`",
    ),
    'stop takes something': (
        """
        class T(Task):
            def start(self): pass
            def stop(self, why): pass
        """,
        "stop of 't' is called without arguments, but takes why: it receives only `self`",
    ),
    'function with self': (
        """
        @task
        def t(self, url): pass
        """,
        "'t' is a function, and has no `self`: use `pytask.current_task()`",
    ),
    'connection at import': (
        """
        there = socket.create_connection(('127.0.0.1', 1))
        """,
        'does not import: ConnectionRefusedError',
    ),
    'not a decorator': (
        """
        @task
        class T:
            def start(self): pass
        """,
        '@task on a class needs a subclass of pytask.Task',
    ),
}


@pytest.mark.parametrize('what', REFUSED)
def test_what_could_never_run_is_refused_with_its_line(processes, what):
    source, why = REFUSED[what]
    processes.tasks(HEAD + textwrap.dedent(source))
    done = processes.run('worker')
    assert done.returncode == 78
    assert why in done.stderr
    assert re.search(r'tasks/some\.py:\d+', done.stderr.splitlines()[0])


def test_a_class_without_start_is_a_base_and_no_task(processes):
    processes.tasks(HEAD + 'class Base(Task):\n    pass\n\nclass Some(Base):\n    def start(self): pass\n')
    done = processes.run('tasks')
    assert done.stdout.split() == ['some()']
