"""docs/control.rst: each cell of its table of answers is tried."""

from __future__ import annotations

import itertools
import re

import pytest
from pages import Page
from support import wait_until

from pytask import Task

PAGE = Page('docs/control.rst')
COLUMNS = {
    'Waiting': 'WAIT',
    'Running': 'RUNNING',
    'Ended': 'SUCCESS',
    'Unknown id': '',
    "pytask's own": 'own',
}


def cells():
    """Return (command, column, answer) of each cell."""
    table = re.search(r'^(=+  [= ]+)\n(.+)\n\1\n((?:\w.+\n)+)\1$', PAGE.text, re.MULTILINE)
    bounds = [found.span() for found in re.finditer('=+', table[1])]
    titles, *rows = ([line[a:b].strip() for a, b in bounds] for line in (table[2], *table[3].splitlines()))
    assert titles[1:] == list(COLUMNS)
    return [(row[0], title, answer) for row in rows for title, answer in zip(titles[1:], row[1:], strict=True)]


class Forever(Task):
    def start(self):
        self.stopping.wait()

    def on_word(self):
        pass


@pytest.fixture
def ids(app, worker):
    """Return the id of a run for a column."""
    app.add_task(Forever)
    quick = app.task(short)
    worker()
    numbers = itertools.count()

    def run_id(column):
        state = COLUMNS[column]
        if state == 'own':
            return app.client.list(task='pytask/monitor')[0].id
        if not state:
            return 'nowhere'
        task, queue = {'WAIT': (Forever, 'later'), 'RUNNING': (Forever, None), 'SUCCESS': (quick, None)}[state]
        run = app.client.start(task, run_id=f'{state}-{next(numbers)}', queue=queue)
        wait_until(lambda: run.refresh().state == state, f'it is {state}')
        return run.id

    return run_id


def short():
    return None


def tell(client, command, run_id):
    words = {'extend': (60,), 'send': ('word',)}.get(command, ())
    answer = getattr(client, {'rm': 'remove'}.get(command, command))(run_id, *words)
    return answer[0] if command == 'rm' else answer


def test_each_answer_is_as_the_table_says(app, ids):
    wrong = []
    for command, column, expected in cells():
        run_id = ids(column)
        state = 'RUNNING' if COLUMNS[column] == 'own' else COLUMNS[column]
        answer = tell(app.client, command, run_id)
        if answer != (state if expected == 'its state' else expected):
            wrong.append(f'{command}, {column}: {answer}, not {expected}')
    app.client.stop_many(
        [run.id for run in app.client.list(task='forever', states=['RUNNING', 'WAIT'], limit=None)], 10
    )
    assert not wrong
    assert len(cells()) == 8 * 5
