"""The end handler: every ended run at least once, whatever happens in between."""

import subprocess
import sys
import textwrap

import gevent
import pytest
from support import SOON_S, wait_until

from pytask import PyTask, Task
from pytask.builtin import end_handler


@pytest.fixture
def handled(app):
    """An app with an end handler that remembers."""
    seen = []
    app.on_end(lambda run: seen.append((run.id, run.state.value, run.output)))
    return seen


class Waits(Task):
    def start(self):
        self.sleep(60)


@pytest.mark.promise('After every run')
def test_every_ended_run_is_handed_on_whatever_its_state(app, worker, handled, redis):
    app.task(name='fine')(lambda: 'fine')
    app.task(name='fails')(lambda: 1 / 0)

    @app.task
    class Refuses(Task):
        def start(self):
            raise self.Error('no')

    app.add_task(Waits)
    worker()
    ids = [app.client.start(name).id for name in ('fine', 'fails', 'refuses')]
    running = app.client.start('waits')
    wait_until(lambda: running.refresh().state == 'RUNNING', 'it runs')
    running.stop()
    waiting = app.client.start('fine', queue='nobody-serves')
    assert waiting.stop() == 'applied'
    wait_until(lambda: len(handled) == 5, 'all are handed on')
    states = {run_id: state for run_id, state, _ in handled}
    assert [states[i] for i in ids] == ['SUCCESS', 'EXCEPTION', 'ERROR']
    assert (states[running.id], states[waiting.id]) == ('STOPPED', 'STOPPED')
    wait_until(lambda: not redis.exists('end-task'), 'none is left')
    assert not redis.hexists(f'task-{ids[0]}', 'unhandled')


def test_without_a_handler_nothing_is_kept_for_it(app, worker, redis):
    quick = app.task(name='quick')(lambda: None)
    worker()
    quick.apply().wait(timeout=SOON_S)
    assert not redis.exists('end-task', 'end-handler')


def test_a_handler_that_fails_is_called_again(app, worker, redis, monkeypatch):
    monkeypatch.setattr(end_handler, 'VISIBLE_S', 0.1)
    calls = []

    @app.on_end
    def handle(run):
        calls.append(run.id)
        if len(calls) < 3:
            raise SystemExit('not now')

    quick = app.task(name='quick')(lambda: None)
    worker()
    run = quick.apply().wait(timeout=SOON_S)
    wait_until(lambda: not redis.exists('end-task'), 'it was handled', timeout=SOON_S)
    assert calls == [run.id] * 3


def test_a_handler_that_never_succeeds_is_given_up_on(app, worker, redis, monkeypatch):
    monkeypatch.setattr(end_handler, 'VISIBLE_S', 0.01)
    monkeypatch.setattr(end_handler, 'TRIES', 2)
    calls = []
    app.on_end(lambda run: calls.append(run.id) or 1 / 0)
    quick = app.task(name='quick')(lambda: None)
    worker()
    quick.apply().wait(timeout=SOON_S)
    wait_until(lambda: not redis.exists('end-task'), 'it was given up', timeout=SOON_S)
    assert len(calls) == 2


def test_one_that_hangs_delays_no_other(app, worker, redis, monkeypatch):
    monkeypatch.setattr(end_handler, 'LIMIT_S', 1.0)
    done = []

    @app.on_end
    def handle(run):
        if run.output == 'hang':
            gevent.sleep(60)
        done.append(run.output)

    echo = app.task(name='echo')(lambda text: text)
    worker()
    for text in ('hang', 'a', 'b'):
        echo.apply(text=text)
    wait_until(lambda: sorted(done) == ['a', 'b'], 'the others are handled')
    assert redis.zcard('end-task') >= 1
    redis.delete('end-task')


def test_a_worker_that_dies_in_the_handler_loses_nothing(server, processes, redis, tmp_path):
    """Taken and not let go of: after a minute, here a second, the next worker takes it again."""
    app_source = """
        import os, sys
        from pytask import PyTask
        from pytask.builtin import end_handler
        end_handler.VISIBLE_S = 1.0
        app = PyTask(lease=1)

        @app.task
        def quick():
            return 'fine'

        @app.on_end
        def handle(run):
            with open('handled', 'a') as file:
                file.write(run.id + '\\n')
            if sys.argv[1] == 'dies':
                os.kill(os.getpid(), 9)

        raise SystemExit(app.run())
    """
    (tmp_path / 'app.py').write_text(textwrap.dedent(app_source))

    def serve(how):
        process = subprocess.Popen(
            [sys.executable, 'app.py', how], cwd=tmp_path, env=processes.environment(), stderr=subprocess.DEVNULL
        )
        processes.running.append(process)
        return process

    app = PyTask(server.url)
    ids = [app.client.start('quick').id for _ in range(20)]
    assert serve('dies').wait(timeout=20) == -9
    serve('lives')
    app.client.wait(*ids, timeout=20)
    wait_until(lambda: not redis.exists('end-task'), 'all are handled', timeout=20)
    assert set((tmp_path / 'handled').read_text().split()) == set(ids)
    app.client.close()


def test_what_waits_for_the_handler_is_not_pruned(app, worker, redis, monkeypatch):
    monkeypatch.setattr(end_handler, 'VISIBLE_S', 3.0)
    is_ready = gevent.event.Event()
    seen = []
    app.on_end(lambda run: is_ready.wait() and seen.append(run.output))
    quick = app.task(name='quick')(lambda: 'kept')
    worker()
    run = quick.apply().wait(timeout=SOON_S)
    assert app.client.store.runs.remove([run.id], takes_kept=False) == ['KEPT']
    is_ready.set()
    wait_until(lambda: seen == ['kept'], 'it is handed on with its output')
    wait_until(lambda: app.client.store.runs.remove([run.id], takes_kept=False) == ['OK'], 'now it may go')


def test_a_handler_that_nobody_has_any_more_keeps_nothing(app, worker, redis):
    redis.zadd('end-task', {'old': 1})
    app.client.store.ends.forget_unwanted()
    assert not redis.exists('end-task')
