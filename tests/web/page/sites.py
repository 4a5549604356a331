"""A worker that serves the web, and tasks to start there."""

from __future__ import annotations

import textwrap

from support import wait_until

from pytask.embedded.server import free_port

TOKEN = 'a-token-of-the-tests'
TASKS = '''
    from typing import Literal
    from pytask import Task, task

    class Count(Task):
        """Count, as slowly as you like."""
        EXPOSE = True

        def __init__(self, up_to: int = 1000, pause: float = 0.05):
            self.up_to, self.pause = up_to, pause

        def start(self):
            for n in range(self.up_to):
                self.progress(n + 1, target=self.up_to)
                if n % 10 == 0:
                    self.message(f'<b>{n}</b> counted')
                self.sleep(self.pause)
            return {'counted': self.up_to}

    class Order(Task):
        EXPOSE = True

        def __init__(
            self, item: str, count: int, size: Literal['S', 'M', 'L'] = 'M', price: float | None = None,
            gift: bool = False, tags: list[str] = [], extra: dict[str, int] = {},
        ):
            self.given = dict(vars() | {'self': None})

        def start(self):
            return {name: value for name, value in self.given.items() if name != 'self'}

    class Broken(Task):
        EXPOSE = True

        def start(self):
            raise ValueError('<img src=x onerror=alert(1)>')

    class Note(Task):
        EXPOSE = True

        def __init__(
            self, text: str, flag: bool | None = None, deep: int | None = 5, password: str = '', more='', **rest
        ):
            self.given = {'text': text, 'flag': flag, 'deep': deep, 'more': more, **rest}

        def start(self):
            self.emit('closed', {})  # also the name of what happens to a connection
            self.emit('reset', {})
            return self.given

    class Hidden(Task):
        def start(self): ...
'''


# What is declared on an app: schedules, and tasks of a flow.
APP = """
    from pytask import PyTask, Task, wait

    app = PyTask(tasks='')

    @app.cron('0 3 * * *', tz='Europe/Berlin', name='mail/nightly')
    @app.task(name='mail/tidy', expose=True)
    def tidy(): return 'tidy'

    @app.task(name='mail/fetch', expose=True)
    def fetch(pages: int = 3): return {'pages': pages}

    @app.task(name='mail/sign', expose=True)
    class Sign(Task):
        def start(self):
            return wait(reason='a signature')

    @app.task(name='mail/send', expose=True)
    def send(to: str = ''):
        if not to: raise ValueError('Tr: <b>')
        return to
"""


class Site:
    def __init__(self, processes, tasks=TASKS, app=''):
        self.processes, self.port = processes, free_port()
        self.tasks = ('--tasks', str(processes.tasks(tasks)))
        if app:
            (processes.folder / 'mails.py').write_text(textwrap.dedent(app))
            self.tasks = ('-A', 'mails:app')
        self.start()

    def start(self, token=TOKEN):
        self.process = self.processes.start(
            'worker',
            *self.tasks,
            '--web',
            f'127.0.0.1:{self.port}',
            environment={'PYTASK_WEB_TOKEN': token},
        )
        self.login = f'http://127.0.0.1:{self.port}/login?token={token}'
        told = []

        def serves():
            told.append(self.process.stderr.readline())
            assert self.process.poll() is None, told
            return f'http://127.0.0.1:{self.port}' in told[-1]

        wait_until(serves, 'the worker says where its page is')

    def stop(self):
        self.process.terminate()
        self.process.communicate(timeout=20)
