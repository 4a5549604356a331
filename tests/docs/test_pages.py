"""The pages of docs/: their code is executed, with one worker per page."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tomllib

import pytest
from devs import Devs
from pages import Page, Shell, needs_node, needs_redis_cli
from support import ROOT, wait_until
from test_guides import BY_THEMSELVES, GUIDES

# Each page runs dozens of commands.
pytestmark = pytest.mark.timeout(180)
PAGES = sorted((ROOT / 'docs').glob('*.rst'))
# Languages that are not executed.
SHOWN = {'text', 'docker', 'yaml'}
EXECUTED = {'first-task', 'tasks', 'typed', 'flows', 'control', 'time', 'page', 'web', 'wire', 'settings', 'flask'}


@pytest.fixture
def shell(processes, tmp_path):
    return Shell(processes, tmp_path)


@pytest.fixture
def devs(tmp_path, server_binary):
    with Devs(tmp_path, server_binary) as devs:
        yield devs


def good(done):
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def run_all(shell, page):
    """Run the blocks that are not files, in order; return the output of each."""
    told = []
    for block in page.blocks():
        if block.file or block.language not in ('shell', 'python'):
            continue
        told.append(good(shell.run(block.text) if block.language == 'shell' else shell.python(block.text)))
    return told


@pytest.mark.parametrize('path', PAGES, ids=lambda path: path.stem)
def test_every_block_is_found_and_executed_or_shown(path):
    page = Page(path.relative_to(ROOT))
    blocks = page.blocks()
    assert len(blocks) == page.count(), 'a block that these tests do not find'
    for block in blocks:
        if block.language == 'json':
            json.loads(block.text)
        elif block.language == 'toml':
            tomllib.loads(block.text)
        elif block.language == 'python':
            compile(
                block.text if not block.text.startswith('return') else f'def f():\n    {block.text}', path, 'exec'
            )
        else:
            assert block.language in SHOWN | {'shell', 'javascript'}
            assert block.language in SHOWN or path.stem in EXECUTED | {'deploy', *GUIDES, *BY_THEMSELVES}
        assert max(map(len, block.text.splitlines())) <= 112 or path.stem == 'redis', 'it would have to be scrolled'


@pytest.mark.one_server
def test_first_task(shell, devs):
    page = Page('docs/first-task.rst')
    install, dev, see, wrong, slip, cure, cured, hold = page.blocks()
    assert install.text.splitlines()[2].split('#')[0].strip() == 'pytask init'
    assert dev.text == 'pytask dev\n'
    shell.environment = devs.environment
    good(shell.run('pytask init'))
    daemon = devs.start()
    daemon.shows('Ctrl-C stops everything')
    plain, named = good(shell.run(see.text))[-2:]
    assert (plain, named) == ('hello world', 'hello you')

    def edit(block, text):
        workers = daemon.text.count('\nworker  ')
        devs.save(block.file, text)
        daemon.shows('\nworker  ', workers + 1)
        assert f'{block.file} saved: reloading' in daemon.text

    edit(wrong, wrong.text)
    done = shell.run(slip.text)
    assert "AttributeError: 'Count' object has no attribute 'upto'" in done.stderr
    assert 'return self.upto' in done.stderr
    assert good(done) == ['exit code 1']
    edit(wrong, wrong.text.replace('return self.upto\n', cure.text))
    done = shell.run(cured.text)
    assert good(done) == ['3', 'exit code 2']
    assert 'up_to  expected int, got str' in done.stderr
    assert 'count(up_to: int = 10)' in done.stderr
    lines = good(shell.run(hold.text))
    assert lines[0] == 'long'
    assert 'long\tapplied' in lines
    assert any(line.split() == ['state', 'STOPPED'] for line in lines)
    daemon.process.send_signal(signal.SIGINT)
    assert daemon.ended() == 0


def test_tasks(shell, processes, redis):
    page = Page('docs/tasks.rst')
    shell.write(page.blocks())
    daemon = subprocess.Popen(
        [sys.executable, 'daemon.py'], cwd=shell.folder, env=processes.environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    processes.running.append(daemon)
    wait_until(lambda: daemon.poll() is not None or redis.zcard('workers'), 'the daemon is there', 20)
    told = run_all(shell, page)
    assert told == [
        ['3', 'exit code 1'],
        ["{'quotient': 0.25}", 'SUCCESS'],
        ['2 times Hello, low, first to a@example.org', 'exit code 2'],
        told[3],
        ["['running', 'copied', 'progress', 'message', 'success']"],
        told[5],
        ['[0,1,2]', '499999500000'],
        ['hour', 'hour\trequested', 'hour\trequested'],
        ['room', 'room\trequested', 'room\trequested', '["HELLO","wave?"]', 'room\trequested'],
        ['fr'],
        ['6'],
    ]
    assert json.loads(told[3][0])['progress'] is None
    assert told[5][:4] == ['p', 'f', 'p\tapplied', 'f\tapplied']
    output = next(line for line in told[5] if line.startswith('output'))
    assert output.split()[1].isdigit()
    ids = ('p', 'hour', 'room')
    wait_until(lambda: all(redis.hget(f'task-{run_id}', 'state') == 'STOPPED' for run_id in ids), 'all stop', 30)
    wait_until(lambda: not redis.zcard('end-task'), 'the end handler has seen all', 60)
    daemon.terminate()
    out, err = daemon.communicate(timeout=20)
    assert daemon.returncode == 0, err
    assert out.startswith('begun\n')
    assert 'room STOPPED\n' in out


def test_time(shell, processes):
    page = Page('docs/time.rst')
    shell.write(page.blocks())
    processes.worker('-A', 'daily:app')
    later, python, schedules, aloud, told = run_all(shell, page)
    assert python == []
    assert later[:2] == ['soon', 'late']
    assert any(line.split()[0] == 'at' and line.endswith('2039-11-30 08:00:00') for line in later)
    assert later[-1] == 'late\tapplied'
    rows = {line.split('\t')[0]: line for line in schedules if line.count('\t') == 6}
    assert rows.keys() == {'greet', 'report', 'beat', 'remind'}
    assert rows['remind'].endswith('\tmissed')
    assert sum(' 05:00:00 +0' in line for line in schedules) == 3
    assert schedules[-3:] == ['greet\tapplied', 'beat\tapplied', 'greet\tapplied']
    assert [line.split()[-1] for line in aloud] == ['Sun'] * 2 + ['Mon'] * 5 + ['2']
    assert told[-1] == 'good morning, you'
    assert any(line.startswith('remind 2009-11-06T00:00:00+00:00 None  True') for line in told)


def test_typed(shell, processes):
    page = Page('docs/typed.rst')
    shell.write(page.blocks())
    processes.worker('-A', 'house:app')
    told = run_all(shell, page)
    assert told[0] == ['{"Ada":2,"Bob":1}', '[["a","b"],{"count":3}]', 'exit code 2']
    assert any(line.startswith('book(guests: list[house.Guest], ') for line in told[1])
    both = json.loads('\n'.join(told[1][told[1].index('{') :]))
    assert both['inputs']['required'] == ['guests', 'day']
    assert both['output']['additionalProperties'] == {'type': 'integer'}
    assert told[2:] == [
        ['["attic",["attic","cellar"]]', '["cellar",["hall 1","bath 1"]]', 'exit code 2'],
        ['{"text":"HEY HEY"}'],
        ["{'text': 'HO HO HO'} 3 3", "['shouting', 'shouting', 'shouting']"],
    ]
    wrong = shell.run(page.blocks()[1].text).stderr.splitlines()
    shown = page.text[page.text.index('    Error: invalid') :].splitlines()
    assert wrong[-6:-1] == [line[4:] for line in shown[:5]]


def test_control(shell, processes):
    page = Page('docs/control.rst')
    shell.write(page.blocks())
    processes.worker()
    one, python, many, held, workers = run_all(shell, page)
    assert one == [
        'feed', 'feed\tapplied', '0.2', 'feed\tapplied', 'feed\tapplied', one[5], one[6], 'feed\trequested', one[8],
        one[9],
    ]  # fmt: skip
    assert python[0] == 'applied'
    assert python[1].split()[1:] == ['applied', 'applied']
    later = [f'{run_id}\tapplied' for run_id in 'cba']
    assert many[:3] == ['a', 'b', 'c']
    assert [sorted(many[at : at + 3], reverse=True) for at in (3, 6, 9)] == [later] * 3
    assert {*later, 'other\tapplied'} <= set(many[12:])
    assert held[0] == 'queue default\tapplied'
    assert held[2].startswith('queue\tdefault\t')
    assert held[3:] == ['queue default\tapplied', 'held\tapplied']
    assert len(workers) == 1


def test_flows(shell, processes):
    page = Page('docs/flows.rst')
    shell.write(page.blocks())
    processes.worker()
    made, waits, fails = run_all(shell, page)
    assert made == ['1 Sign it', 'WAIT not submitted']
    assert waits[:3] == ['may', 'may\trequested', 'may\trequested']
    assert waits[4:] == ['output    gevent 0 | gevent 1, signed Ada']
    assert fails[:2] == ['june', 'june\tapplied']
    assert fails[3:] == [
        'exit code 1',
        'june\tissue\tERROR\t3/4\tpublish\tthe printer is on fire', 'june\tapplied', 'june\tapplied',
    ]  # fmt: skip


def test_flask(shell, sites):
    page = Page('docs/flask.rst')
    shell.write(page.blocks())
    sites.flask()
    pid = sites.one_worker()
    run_id = sites.ask('mails', {'to': 'me'})['id']
    assert sites.ended(run_id) == 'hello from shop@example.org to me'
    assert sites.ask(f'mails/{run_id}')['state'] == 'SUCCESS'
    by_command, made = run_all(shell, page)
    assert by_command == [
        'hello from shop@example.org to a@example.org',
        'news from shop@example.org to b@example.org',
        "send-mail(to: str, subject: str = 'hello')\t",
    ]
    assert (made, sites.one_worker()) == ([], pid)


@needs_redis_cli
@needs_node
def test_wire(shell, processes, redis):
    page = Page('docs/wire.rst')
    shell.write(page.blocks())
    processes.worker()
    first, sh, node, talk = run_all(shell, page)
    assert first[:2] == ['2', '1']
    assert first[2] in ('', 'RUNNING')
    assert first[3:] == ['42\tapplied', 'STOPPED', 'stop', '0', '1']
    assert sh == ['42', 'exit code 1']
    assert [node[0], *node[-2:]] == ['running', 'stopped', 'STOPPED']
    assert set(node[1:-2]) == {'progress'}
    assert talk == ['1', 'answer-me', '{"value":0.1}', '1']
    wait_until(lambda: redis.hget('task-42', 'state') == 'STOPPED', 'it has stopped')
