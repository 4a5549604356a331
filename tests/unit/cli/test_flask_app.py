"""Where the command line finds a Flask app: FLASK_APP, .flaskenv, .env, wsgi.py, app.py, in this order."""

import os
import sys
import textwrap

import flask.cli  # beforehand, so that it is one and the same for all tests
import pytest

from pytask.cli.finding import apps
from pytask.cli.finding.import_errors import explain
from pytask.errors import ConfigError

pytestmark = pytest.mark.usefixtures('fresh_modules')
assert flask.cli

SITE = """
    from flask import Flask
    from pytask.contrib.flask import BackgroundTaskWorker
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'path', [path for path in sys.path if path])
    for name in ('FLASK_APP', 'FLASK_DEBUG', 'FLASK_SKIP_DOTENV', 'SHOP'):
        monkeypatch.delenv(name, raising=False)
    before = dict(os.environ)

    def write(name, *texts):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('\n'.join(map(textwrap.dedent, texts)))
        return path

    yield write
    os.environ.clear()  # what files have added
    os.environ.update(before)


def site(lease, line='app = Flask(__name__)', more=''):
    """Return a module with a Flask app that is told by its lease."""
    return f"""
    {textwrap.dedent(SITE)}
{line}
app.config['PYTASK_LEASE'] = {lease}
BackgroundTaskWorker(app)
{more}
"""


def found(**flags):
    app = apps.make(flags)
    return app.settings.lease_s, app.place


def test_nothing_is_found_where_nothing_looks_like_flask(write):
    write('app.py', 'raise SystemExit("a program that happens to have this name")')
    assert found() == (15, '')


def test_wsgi_comes_before_app_and_the_environment_before_both(write, monkeypatch):
    write('app.py', site(5))
    assert found() == (5, 'app.py')
    write('wsgi.py', site(6))
    assert found() == (6, 'wsgi.py')
    write('shop.py', site(7))
    monkeypatch.setenv('FLASK_APP', 'shop')
    assert found() == (7, 'shop')


def test_what_pytask_is_told_itself_comes_before_flask(write, monkeypatch):
    write('shop.py', site(7))
    monkeypatch.setenv('FLASK_APP', 'shop')
    write('own.py', 'from pytask import PyTask\napp = PyTask(lease=8)')
    assert found(app='own:app') == (8, 'own:app')
    assert found(app='') == (15, '')
    write('pytask.toml', 'app = "own:app"')
    assert found() == (8, 'own:app')
    monkeypatch.setenv('PYTASK_APP', '')
    assert found() == (8, 'own:app')


@pytest.mark.parametrize(
    'text',
    [
        site(5),
        site(5, more='application = app; del app'),
        site(5, more='site = app; del app'),
        'def create_app():\n' + textwrap.indent(textwrap.dedent(site(5)), '    ') + '\n    return app',
        'def make_app():\n' + textwrap.indent(textwrap.dedent(site(5)), '    ') + '\n    return app',
    ],
    ids=['app', 'application', 'the only one', 'create_app()', 'make_app()'],
)
@pytest.mark.parametrize('name', ['app.py', 'wsgi.py'])
def test_it_has_one_of_these_names(write, name, text):
    write(name, text)
    assert found() == (5, name)


def test_a_wsgi_file_that_imports_the_app_is_enough(write):
    write('shop/__init__.py', site(5))
    write('wsgi.py', 'from shop import app as application')
    assert found() == (5, 'wsgi.py')


@pytest.mark.parametrize(
    'place', ['shop', 'shop:it', 'shop.py', 'shop:make(7)', 'shop:make(lease=7)', './shop.py:it'], ids=str
)
def test_flask_app_may_be_all_that_it_may_be_for_flask(write, monkeypatch, place):
    write('shop.py', site(7, more='it = app\ndef make(lease):\n    return app'))
    monkeypatch.setenv('FLASK_APP', place)
    assert found() == (7, place)


@pytest.mark.parametrize('name', ['.flaskenv', '.env'])
@pytest.mark.parametrize('is_above', [False, True], ids=['here', 'above'])
def test_a_file_names_it_as_it_does_for_flask(write, monkeypatch, tmp_path, name, is_above):
    pytest.importorskip('dotenv', reason='python-dotenv is not installed')
    below = tmp_path / 'below'
    write('below/shop.py' if is_above else 'shop.py', site(7))
    write(name, 'FLASK_APP=shop\nPYTASK_DRAIN=3\nSHOP=from a file')
    if is_above:
        monkeypatch.chdir(below)
    app = apps.make({})
    assert (app.settings.lease_s, app.settings.drain_s, os.environ['SHOP']) == (7, 3, 'from a file')


@pytest.mark.parametrize(
    ('files', 'environment', 'flags'),
    [
        (['app.py'], {}, {}),
        (['wsgi.py'], {}, {}),
        (['shop.py'], {'FLASK_APP': 'shop'}, {}),
        (['shop.py'], {}, {'app': 'shop:app'}),
        (['shop.py'], {'PYTASK_APP': 'shop'}, {}),
        (['shop/__init__.py'], {}, {'app': 'shop'}),
    ],
    ids=str,
)
def test_settings_in_a_file_are_the_commands_too(write, monkeypatch, files, environment, flags):
    pytest.importorskip('dotenv', reason='python-dotenv is not installed')
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    write(files[0], site(7, more='import os\nos.environ["SHOP"]'))
    write('.env', 'PYTASK_REDIS=redis://elsewhere:6379/5\nSHOP=from a file')
    app = apps.make(flags)
    assert (app.settings.lease_s, app.settings.redis) == (7, 'redis://elsewhere:6379/5')


@pytest.mark.parametrize(
    ('name', 'flags'), [('app.py', {'app': ''}), ('app.py', {'app': 'own'}), ('program.py', {})], ids=str
)
def test_a_file_counts_only_where_a_flask_app_is_used(write, name, flags):
    write(name, site(7))
    write('own.py', 'from pytask import PyTask\napp = PyTask()')
    write('.env', 'PYTASK_REDIS=redis://elsewhere:6379/5')
    assert apps.make(flags).settings.redis is None


def test_an_app_that_such_a_file_names_is_used_from_the_first_command_on(write):
    pytest.importorskip('dotenv', reason='python-dotenv is not installed')
    write('app.py', site(5))
    write('shop.py', site(7))
    write('.env', 'PYTASK_APP=shop:app')
    assert found() == found() == (7, 'shop:app')


def test_the_environment_counts_more_than_such_a_file_and_may_forbid_it(write, monkeypatch):
    pytest.importorskip('dotenv', reason='python-dotenv is not installed')
    write('shop.py', site(7))
    write('.env', 'FLASK_APP=nothing')
    monkeypatch.setenv('FLASK_APP', 'shop')
    assert found() == (7, 'shop')
    monkeypatch.delenv('FLASK_APP')
    monkeypatch.setenv('FLASK_SKIP_DOTENV', '1')
    assert found() == (15, '')


def test_an_app_without_a_task_worker_is_passed_over(write):
    write('app.py', 'from flask import Flask\napp = Flask(__name__)')
    assert found() == (15, '')


def test_a_file_without_an_app_is_passed_over(write):
    write('wsgi.py', 'import flask')
    write('app.py', 'import flask')
    assert found() == (15, '')


@pytest.mark.parametrize('call', ['app.run()', 'worker = BackgroundTaskWorker(app); worker.start()'])
def test_what_would_serve_or_work_does_not_while_it_is_looked_for(write, call, capsys):
    write('app.py', site(5, more=call))
    assert found() == (5, 'app.py')
    assert 'FLASK_RUN_FROM_CLI' not in os.environ


def test_the_task_worker_of_a_flask_app_may_be_named(write):
    write('shop.py', site(7, more='def make():\n    return app'))
    assert found(app='shop:app') == (7, 'shop:app')
    assert found(app='shop:make') == (7, 'shop:make')
    assert found(app='shop') == (7, 'shop')


@pytest.mark.parametrize(
    ('name', 'text', 'says'),
    [
        ('app.py', 'import flask\n1 / 0', 'app.py:2 does not import: ZeroDivisionError: division by zero'),
        ('app.py', 'import flask\nx = (', "app.py:2 does not import: SyntaxError: '(' was never closed"),
        ('wsgi.py', '\nfrom flask import Flsk', 'wsgi.py:2 does not import: ImportError: cannot import'),
        (
            'app.py',
            site("'long'"),
            "app.py:8 does not import: ConfigError: PYTASK_LEASE in Flask's config: ",
        ),
    ],
    ids=['raises', 'syntax', 'import', 'setting'],
)
def test_what_is_wrong_with_the_authors_file_is_told_with_its_line(write, name, text, says):
    write(name, text)
    with pytest.raises(ConfigError) as caught:
        apps.make({})
    assert explain(caught.value).splitlines()[0].startswith(says)


@pytest.mark.parametrize(
    ('place', 'says'),
    [
        ('nothing', "Could not import 'nothing'."),
        ('shop:nothing', "Failed to find attribute 'nothing' in 'shop'."),
        ('shop:make', "The factory 'make' in module 'shop' could not be called with the specified arguments."),
    ],
)
def test_what_flask_app_names_and_is_not_there_is_told_in_flasks_words(write, monkeypatch, place, says):
    write('shop.py', site(7, more='def make(lease):\n    return app'))
    monkeypatch.setenv('FLASK_APP', place)
    with pytest.raises(ConfigError) as caught:
        apps.make({})
    assert str(caught.value).splitlines() == [says, f'  - named by  FLASK_APP={place}']


def test_settings_in_flasks_config_are_weaker_than_flags_and_the_environment_and_stronger_than_files(
    write, monkeypatch
):
    write('pytask.toml', 'lease = 3\ndrain = 3')
    write('app.py', site(5))
    app = apps.make({})
    assert (app.settings.lease_s, app.settings.drain_s) == (5, 3)
    monkeypatch.setenv('PYTASK_LEASE', '8')
    assert apps.make({}).settings.lease_s == 8
    assert apps.make({'lease': 9}).settings.lease_s == 9


def test_no_folder_of_tasks_is_said_in_flasks_config_only(write, monkeypatch):
    write('app.py', site(5))
    monkeypatch.setenv('PYTASK_TASKS', '')
    assert apps.make({}).settings.tasks == 'tasks'
    write('wsgi.py', site(5, "app = Flask(__name__); app.config['PYTASK_TASKS'] = ''"))
    assert apps.make({}).settings.tasks == ''
