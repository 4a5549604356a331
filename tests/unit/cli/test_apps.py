"""Which app a command uses, and what is said where none is found."""

import sys
import textwrap

import pytest

from pytask.cli.finding import apps, importer
from pytask.cli.finding.import_errors import explain
from pytask.errors import ConfigError

pytestmark = pytest.mark.usefixtures('fresh_modules')

WEB = """
    from functools import partial
    from pytask import PyTask, task

    class Site:
        pass

    web = Site()
    app = PyTask(lease=5)

    @app.task
    def hello(name: str = 'world'):
        raise SystemExit('nobody calls a task to see whether it is an app')

    def make(lease=6):
        return PyTask(lease=lease)

    later = partial(make, 7)

    def needy(config):
        return app

    def wrong():
        return web

    def fails():
        return 1 / 0
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a module into the folder that is current."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'path', [path for path in sys.path if path])

    def write(name, text=''):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return path

    write('web.py', WEB)
    return write


def failure(text, source='-A'):
    with pytest.raises(ConfigError) as caught:
        importer.find(text, source)
    return explain(caught.value).splitlines()


@pytest.mark.parametrize(
    ('text', 'lease_s'), [('web:app', 5), ('web', 5), ('web:make', 6), ('web:later', 7)], ids=str
)
def test_an_app_is_an_attribute_or_what_a_function_makes(write, text, lease_s):
    assert importer.find(text, '-A').settings.lease_s == lease_s


def test_modules_in_packages_are_found_and_the_path_gets_this_folder_once(write, tmp_path):
    write('shop/__init__.py')
    write('shop/daemon.py', 'from pytask import PyTask\napp = PyTask()')
    assert importer.find('shop.daemon:app', '-A') is importer.find('shop.daemon', '-A')
    assert sys.path.count(str(tmp_path)) == 1


def test_one_app_under_two_names_is_one(write):
    write('same.py', 'from web import app\napplication = app')
    assert importer.find('same', '-A').settings.lease_s == 5


@pytest.mark.parametrize(
    ('text', 'says'),
    [
        ('wbe:app', "no module 'wbe'; did you mean web:app?"),
        ('web:ap', "no 'ap' in web.py; did you mean web:app?"),
        ('web:xyzzy', "no 'xyzzy' in web.py; it has: web:app"),
        ('web:web', 'web:web is a Site, not a PyTask; it has: web:app'),
        ('web:Site', 'web:Site is a class, not a PyTask; it has: web:app'),
        ('web:hello', 'web:hello is a task, not a PyTask; it has: web:app'),
        (
            'web:needy',
            "web:needy() fails: TypeError: needy() missing 1 required positional argument: 'config'",
        ),
        ('web:wrong', 'web:wrong() is a Site, not a PyTask; it has: web:app'),
        ('web.app', "no module 'web.app'; write the attribute after a colon: web:app"),
        ('os.nothing_near:app', "no module 'os.nothing_near'"),
    ],
)
def test_what_can_not_be_used_is_named_with_what_is_near(write, text, says):
    assert failure(text) == [says, f'  - named by  -A {text}']


def test_a_function_that_fails_is_told_with_its_line(write):
    assert failure('web:fails') == [
        'web.py:27: web:fails() fails: ZeroDivisionError: division by zero',
        '  - named by  -A web:fails',
        '   27 |     return 1 / 0',
    ]


def test_the_place_where_it_was_named_is_told(write):
    assert failure('wbe:app', 'PYTASK_APP')[-1] == '  - named by  PYTASK_APP=wbe:app'
    assert failure('wbe:app', 'pyproject.toml')[-1] == "  - named by  pyproject.toml: 'wbe:app'"


def test_near_names_in_a_package_are_told_with_it(write):
    write('shop/__init__.py')
    write('shop/daemon.py')
    assert failure('shop.deamon:app')[0] == "no module 'shop.deamon'; did you mean shop.daemon:app?"


def test_modules_that_are_there_are_named_where_none_is_near(write, tmp_path):
    write('shop/__init__.py')
    assert failure('xyzzy:app')[0] == f"no module 'xyzzy'; {tmp_path} has: shop, web"


def test_two_apps_are_both_named(write):
    write('two.py', 'from pytask import PyTask\na = PyTask()\nb = PyTask()')
    assert failure('two')[0] == '2 apps in two.py; choose one: two:a or two:b'


@pytest.mark.parametrize('text', ['empty', 'empty:app'])
def test_a_module_without_an_app_is_told_how_to_have_one(write, text):
    write('empty.py')
    assert failure(text)[0].endswith('in empty.py; write app = PyTask() in it')


def test_a_name_that_python_has_taken_is_told(write):
    write('site.py', 'from pytask import PyTask\napp = PyTask()')
    (first, _) = failure('site:app')
    assert first.endswith('site.py; Python finds that file before your site.py: rename yours')


def test_an_error_names_the_authors_line_first_and_then_how_it_was_reached(write):
    write('shop/__init__.py', 'import shop.database')
    write('shop/database.py', '\nimport no_such_driver\n')
    write('api.py', 'x = 1\ny = 2\nimport shop\n')
    assert failure('api:app') == [
        "shop/database.py:2 does not import: ModuleNotFoundError: No module named 'no_such_driver'",
        '    2 | import no_such_driver',
        '  imported by shop/__init__.py:1',
        '  imported by api.py:3',
    ]


def test_an_error_in_a_library_names_the_authors_line(write):
    write('api.py', '\nimport json\njson.loads("{")\n')
    assert failure('api:app')[0].startswith('api.py:3 does not import: JSONDecodeError')


SETTING = "PyTask(leese=...): no setting 'leese'; did you mean 'lease'?"
RUN = 'app.run() is called on import; move it below: if __name__ == "__main__":'


@pytest.mark.parametrize(
    ('source', 'line', 'says'),
    [
        ('x = (\n', 1, "SyntaxError: '(' was never closed"),
        ('raise SystemExit("set DATABASE")', 1, 'SystemExit: set DATABASE'),
        ('from pytask import PyTask\napp = PyTask(leese=5)', 2, f'ConfigError: {SETTING}'),
        ('from pytask import PyTask\nPyTask().run()', 2, f'ConfigError: {RUN}'),
    ],
    ids=['syntax', 'exit', 'setting', 'run'],
)
def test_what_a_module_does_wrong_is_told(write, source, line, says):
    write('api.py', source)
    assert failure('api:app')[0] == f'api.py:{line} does not import: {says}'


@pytest.mark.parametrize(
    ('text', 'says'),
    [
        ('web.py', "-A: app = 'web.py': must be module:attribute; did you mean web:app?"),
        ('./web.py:it', "-A: app = './web.py:it': must be module:attribute; did you mean web:it?"),
        ('shop/web.py', "-A: app = 'shop/web.py': must be module:attribute; did you mean shop.web:app?"),
        ('a b', "-A: app = 'a b': must be module:attribute, as web:app"),
        ('web:', "-A: app = 'web:': must be module:attribute, as web:app"),
    ],
)
def test_what_is_no_name_of_an_app_is_refused(write, text, says):
    with pytest.raises(ConfigError) as caught:
        apps.make({'app': text})
    assert str(caught.value) == says


def settings_of(**flags):
    return apps.make({'app': 'web:app', **flags}).settings


def test_flags_and_the_environment_count_more_than_code_and_code_more_than_files(write, monkeypatch):
    write('pytask.toml', 'lease = 3\ndrain = 3')
    assert (settings_of().lease_s, settings_of().drain_s) == (5, 3)
    monkeypatch.setenv('PYTASK_LEASE', '8')
    assert settings_of().lease_s == 8
    assert settings_of(lease=9).lease_s == 9


def test_an_app_is_named_by_a_flag_else_by_the_environment_else_by_a_file(write, monkeypatch):
    seen = [apps.make({}).settings.lease_s]
    write('pyproject.toml', '[tool.pytask]\napp = "web:app"')
    seen.append(apps.make({}).settings.lease_s)
    monkeypatch.setenv('PYTASK_APP', 'web:make')
    seen.append(apps.make({}).settings.lease_s)
    seen.append(apps.make({'app': 'web:later'}).settings.lease_s)
    seen.append(apps.make({'app': ''}).settings.lease_s)
    assert seen == [15, 5, 6, 7, 15]


def test_a_client_that_was_made_before_goes_where_the_flags_say(write):
    write('early.py', "from pytask import PyTask\napp = PyTask('redis://localhost:1')\nclient = app.client")
    app = apps.make({'app': 'early:app', 'redis': 'unix:///nowhere', 'prefix': 'p:'})
    assert sys.modules['early'].client is app.client
    assert app.client.store.keys.run('1') == 'p:task-1'


TASK = 'from pytask import task\n@task\ndef {}(): pass\n'


def names_after_loading(**flags):
    app = apps.make(flags)
    apps.load_tasks(app, is_needed=True)
    return app.registry.names()


def test_with_an_app_the_folder_is_found_too_where_there_is_one(write):
    assert names_after_loading(app='web:app') == ['hello']
    write('tasks/more.py', TASK.format('more'))
    assert names_after_loading(app='web:app') == ['hello', 'more']
    assert names_after_loading() == ['more']


def test_an_app_may_name_its_folder_or_none(write):
    write('tasks/more.py', TASK.format('more'))
    write('jobs/other.py', TASK.format('other'))
    write('own.py', "from pytask import PyTask\napp, none = PyTask(tasks='jobs'), PyTask(tasks='')")
    assert names_after_loading(app='own:app') == ['other']
    assert names_after_loading(app='own:none') == []


def test_a_folder_that_the_app_has_imported_is_not_imported_twice(write):
    write(
        'shop/__init__.py',
        "from pytask import PyTask\napp = PyTask(tasks='shop/tasks')\nfrom shop.tasks import mail",
    )
    write('shop/tasks/mail.py', 'from pytask import task\n@task\ndef mail(): pass\n')
    write('shop/tasks/more.py', 'from pytask import task\nfrom shop.tasks.mail import mail\n')
    assert names_after_loading(app='shop:app') == ['mail']
    assert 'tasks' not in sys.modules


def test_a_folder_below_an_imported_package_belongs_to_it(write):
    write('shop/__init__.py', "from pytask import PyTask\napp = PyTask(tasks='shop/tasks')")
    write('shop/tasks/mail.py', 'from pytask import task\n@task\ndef mail(): pass\n')
    write('shop/tasks/more.py', 'from shop.tasks.mail import mail\n')
    assert names_after_loading(app='shop:app') == ['mail']


def test_a_folder_keeps_the_name_its_app_has_imported_it_by(write, tmp_path, monkeypatch):
    write('shop/__init__.py')
    write('shop/tasks/mail.py', 'from pytask import task\n@task\ndef mail(): pass\n')
    write(
        'own.py', "import shop\nfrom tasks import mail\nfrom pytask import PyTask\napp = PyTask(tasks='shop/tasks')"
    )
    monkeypatch.syspath_prepend(tmp_path / 'shop')
    assert names_after_loading(app='own:app') == ['mail']
    assert 'shop.tasks' not in sys.modules


def test_tasks_may_import_what_stands_beside_their_folder(write):
    write('words.py', 'NAME = "from-words"')
    write('tasks/a.py', 'from pytask import task\nfrom words import NAME\n@task(name=NAME)\ndef f(): pass')
    assert names_after_loading() == ['from-words']


def missing(**flags):
    with pytest.raises(ConfigError) as caught:
        names_after_loading(**flags)
    return str(caught.value).splitlines()


def test_where_there_are_no_tasks_the_way_to_some_is_told(write, tmp_path):
    assert missing() == [
        f'no folder of tasks at {tmp_path / "tasks"}; write a first task with: pytask init',
        '  - or name a folder:  --tasks DIR',
        '  - or name an app:    -A module:attribute',
    ]


@pytest.mark.parametrize('more', [{}, {'app': 'web:app'}], ids=['alone', 'with an app'])
def test_a_folder_that_was_named_and_is_not_there_is_missed(write, tmp_path, more):
    write('jobs/a.py')
    says = [f'no folder of tasks at {tmp_path / "jbos"}; did you mean jobs?', '  - named by  --tasks jbos']
    assert missing(tasks='jbos', **more) == says


def test_another_redis_than_the_one_of_dev_is_told_without_its_password(write):
    write('own.py', "from pytask import PyTask\napp = PyTask('redis://:secret@prod:1/0')")
    note = apps.elsewhere(apps.make({'app': 'own:app', 'redis': 'redis://127.0.0.1:2/0'}), 'pytask')
    assert 'redis://:***@prod:1/0' in note
    assert 'secret' not in note
    assert apps.elsewhere(apps.make({'app': 'web:app', 'redis': 'redis://127.0.0.1:2/0'}), 'pytask') == ''


def test_where_tasks_come_from_is_told(write):
    assert apps.where_from(apps.make({'app': 'web:app'})) == 'web:app'
    write('tasks/more.py')
    assert apps.where_from(apps.make({'app': 'web:app'})) == 'web:app and tasks'
    assert apps.where_from(apps.make({})) == 'tasks'
