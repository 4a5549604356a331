import sys
import textwrap

import pytest

from pytask.authoring.registry import Registry
from pytask.errors import ConfigError

pytestmark = pytest.mark.usefixtures('fresh_modules')

TASK = 'from pytask import task\n@task\ndef {}(): pass\n'


@pytest.fixture
def write(tmp_path):
    def write(name, text=''):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path

    return write


def found(folder):
    registry = Registry()
    registry.discover(folder)
    return registry.names()


def failure(folder):
    with pytest.raises(ConfigError) as caught:
        found(folder)
    return str(caught.value)


def test_tasks_in_every_module_are_found(write, tmp_path):
    write('jobs/a.py', TASK.format('one'))
    write('jobs/b.py', TASK.format('two'))
    assert found(tmp_path / 'jobs') == ['one', 'two']


def test_a_folder_may_be_named_relatively(write, tmp_path, monkeypatch):
    write('jobs/a.py', TASK.format('one'))
    monkeypatch.chdir(tmp_path / 'jobs')
    assert found(tmp_path / 'jobs' / '..' / 'jobs') == ['one']


def test_tasks_in_the_packages_own_file_are_found(write, tmp_path):
    write('jobs/__init__.py', TASK.format('one'))
    assert found(tmp_path / 'jobs') == ['one']


def test_tasks_in_subpackages_are_found(write, tmp_path):
    write('jobs/site/__init__.py')
    write('jobs/site/a.py', TASK.format('one'))
    write('jobs/plain/b.py', TASK.format('two'))
    assert found(tmp_path / 'jobs') == ['one', 'two']


def test_tasks_in_a_subpackages_own_file_are_found(write, tmp_path):
    write('jobs/site/__init__.py', TASK.format('one'))
    assert found(tmp_path / 'jobs') == ['one']


def test_relative_imports_work(write, tmp_path):
    write('jobs/words.py', 'NAME = "from-words"')
    write('jobs/site/a.py', 'from ..words import NAME\nfrom pytask import task\n@task(name=NAME)\ndef f(): pass')
    assert found(tmp_path / 'jobs') == ['from-words']


def test_modules_are_named_after_the_folder(write, tmp_path):
    write('jobs/a.py', TASK.format('one'))
    registry = Registry()
    registry.discover(tmp_path / 'jobs')
    assert registry.get('jobs.a.one') is registry.get('one')


def test_the_path_stays_as_it_is(write, tmp_path):
    write('jobs/a.py', TASK.format('one'))
    before = list(sys.path)
    found(tmp_path / 'jobs')
    assert sys.path == before


def test_a_subfolder_hides_no_standard_module(write, tmp_path):
    write('jobs/http/check.py', 'import http.client\n' + TASK.format('one'))
    assert found(tmp_path / 'jobs') == ['one']
    import http.client

    assert str(tmp_path) not in http.client.__file__


@pytest.mark.parametrize('name', ['http', 'json', 'wave'])
def test_a_folder_named_like_a_standard_module_hides_it_not(write, tmp_path, name):
    write(f'{name}/a.py', TASK.format('one'))
    assert found(tmp_path / name) == ['one']
    assert str(tmp_path) not in __import__(name).__file__


def test_a_folder_with_a_dot_in_its_name_is_found(write, tmp_path):
    write('jobs.v2/a.py', TASK.format('one'))
    assert found(tmp_path / 'jobs.v2') == ['one']


def test_folders_of_one_name_do_not_meet(write, tmp_path):
    for place in 'abc':
        write(f'{place}/jobs/some.py', TASK.format(f'from_{place}'))
    assert [found(tmp_path / place / 'jobs') for place in 'abc'] == [['from-a'], ['from-b'], ['from-c']]


def test_hidden_files_and_caches_are_passed_over(write, tmp_path):
    for name in ('.hidden/a.py', '__pycache__/a.py', '.b.py', '__main__.py'):
        write(f'jobs/{name}', 'raise SystemExit')
    assert found(tmp_path / 'jobs') == []


def test_a_base_without_start_is_passed_over(write, tmp_path):
    write('jobs/base.py', 'from pytask import Task\nclass Base(Task): pass')
    write('jobs/a.py', 'from .base import Base\nclass Crawl(Base):\n    def start(self): pass')
    assert found(tmp_path / 'jobs') == ['crawl']


def test_an_imported_task_is_added_once(write, tmp_path):
    write('jobs/a.py', TASK.format('one'))
    write('jobs/b.py', 'from .a import one')
    write('jobs/c.py', 'from .a import one as two')
    assert found(tmp_path / 'jobs') == ['one']


def test_two_tasks_of_one_name_tell_both_files(write, tmp_path):
    places = [write('jobs/a.py', TASK.format('one')), write('jobs/b.py', TASK.format('one'))]
    message = failure(tmp_path / 'jobs')
    assert all(f'{place}:2' in message for place in places)


def test_a_module_that_raises_is_named_with_its_line(write, tmp_path):
    path = write('jobs/a.py', 'x = 1\ny = 1 / 0\n')
    assert failure(tmp_path / 'jobs') == f'{path}:2 does not import: ZeroDivisionError: division by zero'


def test_a_module_that_exits_is_named_with_its_line(write, tmp_path):
    path = write('jobs/a.py', 'import sys\nsys.exit(3)\n')
    assert failure(tmp_path / 'jobs').startswith(f'{path}:2 does not import: SystemExit')


def test_a_module_that_is_no_python_is_named_with_its_line(write, tmp_path):
    path = write('jobs/a.py', 'x = 1\ndef (:\n')
    assert failure(tmp_path / 'jobs').startswith(f'{path}:2 does not import: SyntaxError')


def test_a_missing_module_is_named_with_the_line_that_wants_it(write, tmp_path):
    path = write('jobs/a.py', 'import there_is_no_such_module\n')
    assert failure(tmp_path / 'jobs').startswith(f'{path}:1 does not import: ModuleNotFoundError')


@pytest.mark.parametrize('name', ['jobs', 'jobs/site'])
def test_a_package_that_raises_is_named_with_its_line(write, tmp_path, name):
    path = write(f'{name}/__init__.py', '\n1 / 0\n')
    write(f'{name}/a.py', TASK.format('one'))
    assert f'{path}:2 does not import' in failure(tmp_path / 'jobs')


def test_a_folder_that_failed_can_be_tried_again(write, tmp_path):
    path = write('jobs/__init__.py', '1 / 0')
    failure(tmp_path / 'jobs')
    path.write_text(TASK.format('once_more'))
    assert found(tmp_path / 'jobs') == ['once-more']


def test_a_folder_that_is_not_there_is_named(tmp_path):
    assert failure(tmp_path / 'jobs') == f'no folder of tasks at {tmp_path / "jobs"}; name one with --tasks'
