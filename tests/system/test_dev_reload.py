"""`pytask dev` reloads on save: the new code takes over what runs, or it is said why it does not."""

import os
import textwrap

import pytest
from devs import Devs
from support import wait_until

pytestmark = pytest.mark.one_server

RESIDENT = textwrap.dedent("""
    from pytask import Task

    class Resident(Task):
        DEMO = {}

        def start(self):
            self.progress(VALUE)
            while True:
                self.sleep(60)
""")
ANSWER = textwrap.dedent("""
    from pytask import task

    @task
    def answer():
        return VALUE
""")


@pytest.fixture
def devs(tmp_path, server_binary):
    with Devs(tmp_path, server_binary) as devs:
        yield devs


def resident(devs, value, **changes):
    source = RESIDENT.replace('VALUE', str(value))
    for old, new in changes.items():
        source = source.replace(old, new)
    return devs.save('tasks/resident.py', source)


def answer(devs, value, name='tasks/answer.py'):
    return devs.save(name, ANSWER.replace('VALUE', str(value)))


def runs(devs, value):
    """Wait until the only run has got so far; return its fields."""

    def has_begun():
        [run_id] = [name for name in devs.run('ls')[1].split() if name.startswith('1')][:1] or ['']
        fields = devs.hash_of(run_id)
        return fields.get('progress') == str(value) and fields['state'] == 'RUNNING' and {**fields, 'id': run_id}

    return wait_until(has_begun, f'it runs, {value}', 30)


def workers(dev):
    return dev.text.count('\nworker  ')


def test_a_save_hands_what_runs_over_to_the_new_code(devs):
    resident(devs, 1)
    dev = devs.start()
    before = runs(devs, 1)
    resident(devs, 2)
    after = runs(devs, 2)
    assert (after['id'], after['attempt']) == (before['id'], '2')
    assert 'crashes' not in after
    assert dev.text.count('tasks/resident.py saved: reloading\n') == 1
    assert (workers(dev), dev.text.count('Try, in another terminal')) == (2, 1)
    assert dev.process.poll() is None


def test_what_does_not_import_is_shown_with_its_line_and_the_next_save_cures_it(devs):
    resident(devs, 1)
    dev = devs.start()
    runs(devs, 1)
    resident(devs, '(2')
    shown = dev.shows('Save a file to try again')
    assert 'tasks/resident.py:8 does not import: SyntaxError: ' in shown
    assert '\n    8 |         self.progress((2)\n' in shown
    assert 'The old code keeps running' in shown
    assert runs(devs, 1)['attempt'] == '1'
    resident(devs, 3)
    assert runs(devs, 3)['attempt'] == '2'
    assert workers(dev) == 2


def test_a_folder_that_does_not_import_is_shown_at_the_start_too(devs):
    answer(devs, 'no_such_name\nno_such_name')
    dev = devs.start()
    shown = dev.shows('No worker is running. Save a file to try again.')
    assert 'tasks/answer.py:7 does not import: NameError: ' in shown
    assert '\n    7 | no_such_name\n' in shown
    answer(devs, 7)
    dev.shows('Try, in another terminal')
    assert devs.run('run', 'answer') == (0, '7\n')


def test_what_is_imported_from_the_folder_counts_also_where_the_error_stands(devs):
    devs.save('shared.py', 'VALUE = 1\n')
    devs.save('tasks/answer.py', 'import shared\n' + ANSWER.replace('VALUE', 'shared.VALUE'))
    dev = devs.start()
    dev.shows('Try, in another terminal')
    devs.save('shared.py', 'VALUE = 2 +\n')
    shown = dev.shows('Save a file to try again')
    assert 'shared.py:1 does not import: SyntaxError' in shown
    assert 'imported by tasks/answer.py:1' in shown
    devs.save('shared.py', 'VALUE = 3\n')
    dev.shows('\nworker  ', 2)
    assert devs.run('run', 'answer') == (0, '3\n')


def test_new_and_deleted_files_count(devs):
    answer(devs, 1)
    dev = devs.start()
    dev.shows('1 task from tasks')
    other = devs.save('tasks/more/other.py', ANSWER.replace('answer', 'other'))
    dev.shows('tasks/more/other.py saved: reloading')
    dev.shows('2 tasks from tasks')
    other.unlink()
    dev.shows('tasks/more/other.py deleted: reloading')
    dev.shows('1 task from tasks', 2)


def test_a_burst_of_saves_gives_one_restart(devs):
    for n in range(20):
        answer(devs, 1, f'tasks/answer_{n}.py').write_text(f'VALUE = {n}\n')
    resident(devs, 1)
    dev = devs.start()
    runs(devs, 1)
    for n in range(20):
        devs.save(f'tasks/answer_{n}.py', f'VALUE = {n + 1}\n')
    resident(devs, 2)
    runs(devs, 2)
    assert workers(dev) == 2
    assert ' and 20 more saved: reloading' in dev.text


def test_a_save_by_renaming_counts_once_and_the_same_content_not_at_all(devs):
    path = resident(devs, 1)
    dev = devs.start()
    runs(devs, 1)
    os.utime(path)
    path.write_text(path.read_text())
    (devs.folder / 'tasks/.resident.py.swp').write_text('an editor keeps this')
    new = devs.folder / 'tasks/resident.py~'
    new.write_text(path.read_text().replace('progress(1)', 'progress(2)'))
    new.replace(path)
    assert runs(devs, 2)['attempt'] == '2'
    assert (workers(dev), dev.text.count('reloading')) == (2, 1)


def test_two_saves_of_one_length_within_a_second_are_two(devs):
    answer(devs, 1)
    dev = devs.start()
    dev.shows('Try, in another terminal')
    for value in range(2, 6):
        answer(devs, value)
        dev.shows('\nworker  ', value)
        assert devs.run('run', 'answer') == (0, f'{value}\n')


def test_a_save_while_the_new_code_is_being_imported_takes_its_place(devs):
    resident(devs, 1)
    dev = devs.start()
    runs(devs, 1)
    resident(devs, 2, **{'from pytask': 'import time; time.sleep(1e6)\nfrom pytask'})
    dev.shows('saved: reloading')
    resident(devs, 3)
    assert runs(devs, 3)['attempt'] == '2'
    assert (workers(dev), dev.text.count('saved: reloading')) == (2, 2)


def test_a_save_while_runs_are_handed_over_comes_after_that(devs):
    stop = '    def stop(self):\n        print("asked")\n        __import__("gevent").sleep(0.7)\n\n    def start('
    slow = {'    def start(': stop}
    resident(devs, 1, **slow)
    dev = devs.start()
    runs(devs, 1)
    resident(devs, 2)
    dev.shows('| asked')
    resident(devs, 3)
    assert runs(devs, 3)['attempt'] in ('2', '3')
    dev.shows('saved: reloading', 2)
    dev.shows('\nworker  ', 3)


def test_without_reload_a_save_changes_nothing(devs):
    answer(devs, 1)
    dev = devs.start('--no-reload')
    dev.shows('Try, in another terminal')
    answer(devs, 2)
    assert devs.run('run', 'answer') == (0, '1\n')
    assert (workers(dev), 'reloading' in dev.text) == (1, False)


@pytest.mark.timeout(120)
def test_a_task_that_blocks_does_not_keep_the_new_code_from_running(devs):
    devs.save('tasks/block.py', 'from pytask import task\n\n@task\ndef block():\n    while True:\n        pass\n')
    answer(devs, 1)
    dev = devs.start()
    dev.shows('Try, in another terminal')
    [run_id] = devs.run('start', 'block')[1].split()
    wait_until(lambda: devs.hash_of(run_id).get('state') == 'RUNNING', 'it blocks')
    answer(devs, 2)
    dev.shows('The worker did not stop in time and was killed')
    dev.shows('\nworker  ', 2)
    assert devs.run('run', 'answer') == (0, '2\n')
    assert dev.process.poll() is None


def test_code_that_ends_its_process_is_told(devs):
    answer(devs, 1)
    dev = devs.start()
    dev.shows('Try, in another terminal')
    answer(devs, '2\nimport os\nos._exit(3)')
    dev.shows('The code exited with code 3 while it was imported.')
    dev.shows('The old code keeps running')
    answer(devs, 4)
    dev.shows('\nworker  ', 2)
    assert devs.run('run', 'answer') == (0, '4\n')


def test_a_worker_that_dies_at_once_is_replaced_at_the_next_save(devs):
    answer(devs, 1)
    devs.save('tasks/die.py', 'import os\nfrom pytask import task\n\n@task\ndef die():\n    os._exit(9)\n')
    dev = devs.start()
    dev.shows('Try, in another terminal')
    devs.run('start', 'die')
    dev.shows('The worker exited with code 9.')
    answer(devs, 2)
    dev.shows('\nworker  ', 2)
    assert devs.run('run', 'answer') == (0, '2\n')


def test_a_worker_told_to_stop_from_elsewhere_ends_dev(devs):
    answer(devs, 1)
    dev = devs.start()
    shown = dev.shows('Try, in another terminal')
    [name] = [line.split()[1] for line in shown.splitlines() if line.startswith('worker  ')]
    assert devs.run('workers', '--stop', name)[0] == 0
    assert dev.ended() == 0
