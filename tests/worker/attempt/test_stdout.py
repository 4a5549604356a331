"""What tasks print and log tells which run it belongs to, line by line."""

import io
import os
import sys

import gevent
import pytest
from support import wait_until

from pytask import Task, task
from pytask.worker.attempt import stdout
from pytask.worker.attempt.stdout import TaskStream


def head(name, run_id):
    return f'{name} {run_id} | '


class Out:
    """Where tasks print to. `pytest` puts its own streams back before each test: `show` is called in it."""

    def __init__(self, monkeypatch):
        self.written = io.StringIO()
        self._set = monkeypatch.setattr

    def show(self):
        for name in ('stdout', 'stderr'):
            self._set(sys, name, TaskStream(self.written, head))

    def __call__(self):
        return self.written.getvalue().split('\n')[:-1]


@pytest.fixture
def out(monkeypatch):
    return Out(monkeypatch)


@pytest.fixture
def done(app, worker, out):
    """Run a task to its end and return its id."""

    def done(thing, run_id='42', **data):
        out.show()
        app.add_task(thing)
        worker()
        run = app.client.start(thing, data, run_id=run_id)
        assert run.wait(timeout=20).state == 'SUCCESS', run.output
        assert not stdout._unfinished
        return run.id

    return done


def test_each_line_says_whose_it_is(out, done):
    @task
    def talk():
        print('one', 'two')
        print('three\nfour', file=sys.stderr)

    done(talk)
    assert out() == ['talk 42 | one two', 'talk 42 | three', 'talk 42 | four']


def test_children_and_threads_are_the_runs_too(out, done):
    class Talk(Task):
        def __init__(self):
            print('made')

        def start(self):
            self.spawn(print, 'child').join()
            gevent.spawn(print, 'plain').join()
            self.offload(print, 'thread')

    done(Talk)
    assert out() == [f'talk 42 | {text}' for text in ('made', 'child', 'plain', 'thread')]


def test_lines_made_in_pieces_do_not_mix(out, done):
    class Talk(Task):
        def start(self):
            for name in 'abc':
                self.spawn(self.spell, name)
            self.join()

        def spell(self, name):
            for _ in range(5):
                sys.stdout.write(name)
                sys.stderr.write(name.upper())
                gevent.sleep(0)
            sys.stdout.write('\n')
            sys.stderr.write('\n')

    done(Talk)
    assert sorted(out()) == [f'talk 42 | {name * 5}' for name in 'ABCabc']


def test_threads_write_whole_lines(out, done):
    class Talk(Task):
        def start(self):
            for _ in range(8):
                self.spawn(self.offload, self.many)
            self.join()

        def many(self):
            for _ in range(200):
                print('x' * 10, 'y' * 10)

    done(Talk)
    assert out() == [f'talk 42 | {"x" * 10} {"y" * 10}'] * 1600


def test_bytes_are_refused_as_everywhere_and_nothing_is_lost(out, done):
    @task
    def talk():
        print('be', end='')
        with pytest.raises(TypeError):
            sys.stdout.write(b'bytes')
        print('gun')

    done(talk)
    assert out() == ['talk 42 | begun']


def test_a_child_process_names_the_run_too(processes):
    processes.tasks(FORKS)
    dev = processes.start('dev', '--exit', '--redis', processes.server.url)
    out, err = dev.communicate(timeout=40)
    assert (dev.returncode, err) == (0, '')
    lines = [line.partition(' | ')[2] for line in out.splitlines() if line.startswith('forks ')]
    assert sorted(lines) == ['a child', 'a parent']


def test_what_has_no_end_of_line_comes_out_at_the_end(out, done):
    @task
    def talk():
        print('no end', end='')

    done(talk)
    assert out() == ['talk 42 | no end']


def test_a_thread_that_outlives_its_run_is_still_named(out, done):
    go, gone = os.pipe()

    class Talk(Task):
        def start(self):
            self.spawn(self.offload, self.late)
            gevent.sleep(0.1)

        def late(self):
            os.read(go, 1)
            print('late')

    done(Talk)
    os.close(gone)
    wait_until(lambda: out() == ['talk 42 | late'], 'it has printed')
    assert not stdout._unfinished
    os.close(go)


def test_a_progress_bar_leaves_its_last_state_and_nothing_steers_the_terminal(out, done):
    @task
    def talk():
        for n in range(3):
            print(f'\r{n} of 2', end='')
        print('\ncolour \x1b[31mred\x1b[0m, clear \x1b[2J, dos\r')

    done(talk)
    assert out() == ['talk 42 | 2 of 2', 'talk 42 | colour red, clear \\x1b[2J, dos']


def test_a_line_of_a_megabyte_is_not_kept(out, done):
    @task
    def talk():
        for _ in range(1024):
            print('x' * 1024, end='')

    done(talk)
    assert sum(len(line.removeprefix('talk 42 | ')) for line in out()) == 2**20
    assert len(out()) > 10


def test_what_is_printed_outside_of_runs_is_untouched(out, done):
    @task
    def talk():
        print('inside')

    out.show()
    print('before', end=' \x1b[2J\n')
    done(talk)
    print('after')
    assert out() == ['before \x1b[2J', 'talk 42 | inside', 'after']


def test_the_stream_is_otherwise_what_it_was():
    with open(os.devnull, 'w') as beneath:  # noqa: PTH123
        stream = TaskStream(beneath, head)
        assert (stream.fileno(), stream.encoding, stream.isatty()) == (beneath.fileno(), beneath.encoding, False)
        assert stream.write('four') == 4
        stream.writelines(['a', 'b'])
        assert stdout.beneath(stream) is beneath
        assert stdout.beneath(beneath) is beneath


FORKS = """
    import os
    from pytask import Task

    class Forks(Task):
        DEMO = {}

        def start(self):
            child = os.fork()
            if child:
                os.waitpid(child, 0)
            print('a parent' if child else 'a child')
"""
LOGS = """
    import logging, warnings
    from pytask import task, current_task

    @task
    def talk():
        log = logging.getLogger('mine')
        log.info('too little')
        log.warning('watch out')
        current_task().log.warning('my own')
        print('printed')

    logging.getLogger('mine').warning('outside')
"""


def test_a_worker_names_the_run_in_what_tasks_log_and_leaves_stdout_alone(processes):
    processes.tasks(LOGS)
    worker = processes.worker()
    run_id = processes.run('start', 'talk').stdout.strip()
    processes.run('wait', run_id)
    worker.terminate()
    out, err = worker.communicate(timeout=30)
    assert out == 'printed\n'
    lines = [line[9:] for line in err.splitlines() if ' WARNING ' in line]
    assert lines == [f'WARNING watch out  [{run_id} talk]', f'WARNING my own  [{run_id} talk]']
    assert 'too little' not in err


def test_where_the_author_has_set_logging_up_it_stays_so(processes):
    processes.tasks(LOGS + "    logging.basicConfig(format='%(message)s of %(task)s')\n")
    worker = processes.worker()
    processes.run('run', 'talk')
    worker.terminate()
    _, err = worker.communicate(timeout=30)
    assert 'watch out of talk\nmy own of talk\n' in err
    assert 'outside' in err
