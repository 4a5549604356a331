"""Data on the command line: what fits goes in, what does not is told before anything is enqueued."""

import json
import shlex

import pytest
from trial import TASKS

from pytask.cli.data_arguments import to_run_again
from pytask.core.run import Run

pytestmark = pytest.mark.one_server


@pytest.fixture
def idle(processes):
    processes.tasks(TASKS)
    return processes.run


@pytest.mark.parametrize(
    ('word', 'note'),
    [
        ('x=[1,2]', "note: x is text; for a list write 'x:=[1,2]'\n"),
        ('x={"a": 1}', """note: x is text; for an object write 'x:={"a": 1}'\n"""),
        ('x=true', 'note: x is text; for a boolean write x:=true\n'),
        ('x=5', 'note: x is text; for a number write x:=5\n'),
        ('x=null', 'note: x is text; for null write x:=null\n'),
        ('x=five', ''),
        ('x="5"', ''),
        ('x:=[1,2]', ''),
        ('name=[1]', ''),
    ],
)
def test_what_looks_like_json_and_went_in_as_text_is_pointed_out(idle, redis, word, note):
    done = idle('start', 'take', word)
    assert (done.returncode, done.stderr) == (0, note)
    assert redis.llen('new-task') == 1


@pytest.mark.parametrize(
    ('words', 'says'),
    [
        (['ids=[1,2]'], "ids  expected array, got str ('[1,2]'); for JSON write 'ids:=[1,2]'"),
        (['ids=1'], "ids  expected array, got str ('1')\n"),
        (
            ['idds=1', 'b=2'],
            'idds  is not an input; did you mean ids?\n  b  is not an input\n  usage  take(x=None, ids: list[int]',
        ),
    ],
)
def test_what_does_not_fit_is_told_before_anything_is_enqueued(idle, redis, words, says):
    done = idle('start', 'take', *words)
    assert done.returncode == 2
    assert done.stderr.startswith('Error: invalid inputs for `take`\n')
    assert says in done.stderr
    assert not redis.keys('*')


def test_of_a_task_that_nobody_here_knows_only_lists_and_objects_are_pointed_out(idle):
    done = idle('start', 'elsewhere', 'n=5', 'flag=true', 'ids=[1]')
    assert done.stderr == "note: ids is text; for a list write 'ids:=[1]'\n"


def test_a_near_name_of_a_task_is_pointed_out_and_the_run_waits_all_the_same(idle, redis):
    done = idle('start', 'tak')
    assert done.returncode == 0
    assert done.stderr == "note: no task 'tak' is known here; did you mean take?\n"
    assert redis.llen('new-task') == 1


@pytest.mark.parametrize(
    ('words', 'shown', 'at'),
    [
        (['x:={"a": 1, "b" 2}'], '{"a": 1, "b" 2}', '2'),
        (['--data', '{"é": nul}'], '{"é": nul}', 'n'),
        (['--data', '{"a":'], '{"a":', ''),
    ],
)
def test_bad_json_is_shown_with_a_mark_where_it_is_bad(idle, words, shown, at):
    done = idle('start', 'take', *words)
    assert done.returncode == 2
    first, text, mark = done.stderr.split('\n')[:3]
    assert first.startswith('Error: ')
    assert 'is not JSON' in first
    assert text == f'  {shown}'
    assert text[mark.index('^') :][:1] == at


def test_data_that_is_no_text_is_told(idle, processes):
    (processes.folder / 'latin').write_bytes(b'{"a": "\xe9"}')
    done = idle('start', 'take', '--data', '@latin')
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, 'Error: --data @latin is not UTF-8 text: byte 7')


AWKWARD = {
    'x': 'it\'s $HOME; `ls` "now"\n\x1b[31m',
    'name': '[1, 2]',
    'ids': [1, 2],
}


@pytest.mark.parametrize('extra', [{}, {'a=b': 'c', '--yes': ''}, {'': None}])
def test_the_command_to_run_it_again_gives_a_shell_the_same_data(idle, redis, extra):
    data = AWKWARD | extra
    command = to_run_again(Run('1', 'some task', data=data, queue='mail'))
    assert command.startswith("pytask run 'some task' --queue mail ")
    done = idle('start', *shlex.split(command)[2:], '--id', 'again')
    assert done.returncode == 0, done.stderr
    assert redis.hmget('task-again', 'task', 'queue') == ['some task', 'mail']
    assert json.loads(redis.hget('task-again', 'data')) == data


def test_all_that_is_wrong_is_told_with_its_path(idle, redis):
    done = idle('start', 'take', 'ids:=[1, "x", null]', 'more=1')
    assert done.returncode == 2
    assert done.stderr.splitlines()[:4] == [
        'Error: invalid inputs for `take`',
        "  ids[1]  expected int, got str ('x')",
        '  ids[2]  expected int, got null (None)',
        '  more  is not an input',
    ]
    assert not redis.keys('*')


def test_tasks_prints_the_schema_of_one(idle):
    both = json.loads(idle('tasks', 'add', '--schema').stdout)
    assert both['inputs'] == {
        '$schema': 'https://json-schema.org/draft/2020-12/schema',
        'type': 'object',
        'properties': {'a': {'type': 'integer'}, 'b': {'type': 'integer', 'default': 1}},
        'required': ['a'],
        'additionalProperties': False,
    }
    assert both['output'] == {'$schema': 'https://json-schema.org/draft/2020-12/schema'}
    assert json.loads(idle('tasks', 'add', '--json').stdout)['inputs']['required'] == ['a']
    assert idle('tasks', 'add').stdout == 'add(a: int, b: int = 1)\tAdd two numbers.\n'


@pytest.mark.parametrize(
    ('words', 'code', 'says'),
    [
        (['ad', '--schema'], 3, 'no worker knows "ad"; did you mean "add"?'),
        (['--schema'], 2, '--schema needs the name of a task: '),
    ],
)
def test_what_has_no_schema_is_told(idle, words, code, says):
    done = idle('tasks', *words)
    assert done.returncode == code
    assert says in done.stderr


def test_show_shows_what_a_run_has_said(processes):
    processes.tasks("""
        from pytask import current_task, task
        @task
        def talk(n: int):
            for said in range(n):
                current_task().message(f'line {said}')
    """)
    processes.worker()
    assert processes.run('run', 'talk', 'n=30', '--id', 't').returncode == 0
    shown = processes.run('show', 't')
    assert '10 earlier messages: --full' in shown.stderr
    lines = shown.stdout.splitlines()
    assert [line.split('  ')[2] for line in lines[lines.index('messages') + 1 :]] == [
        f'line {n}' for n in range(10, 30)
    ]
    assert processes.run('show', 't', '--full').stdout.count('  line ') == 30
    said = json.loads(processes.run('show', 't', '--json').stdout)['messages']
    assert [message['text'] for message in said] == [f'line {n}' for n in range(30)]
    assert processes.run('rm', 't').returncode == 0
    assert processes.run('show', 't').returncode == 3
