import pytest

from pytask import PyTask
from pytask.config.settings import Settings, chosen, load, redacted
from pytask.errors import ConfigError
from pytask.net.addresses import split_address, to_call


@pytest.fixture
def folder(tmp_path):
    """An empty project; `folder.own` and `folder.shared` write its two files."""

    class Folder:
        path = tmp_path

        def own(self, text):
            (tmp_path / 'pytask.toml').write_text(text)

        def shared(self, text):
            (tmp_path / 'pyproject.toml').write_text(text)

        def load(self, **given):
            return load(given, folder=tmp_path)

        def failure(self, **given):
            with pytest.raises(ConfigError) as caught:
                self.load(**given)
            return str(caught.value)

    return Folder()


def test_there_is_a_default_for_everything(folder):
    settings = folder.load()
    assert settings == Settings()
    assert (settings.concurrency, settings.lease_s, settings.drain_s) == (1000, 15.0, 10.0)
    assert (settings.keep_success_s, settings.keep_ended_s) == (3600, 86_400)
    assert (settings.max_success, settings.max_ended) == (100_000, 1_000_000)


def test_each_source_wins_over_the_one_below(folder, monkeypatch):
    seen = [folder.load().drain_s]
    folder.shared('[tool.pytask]\ndrain = 1')
    seen.append(folder.load().drain_s)
    folder.own('drain = 2')
    seen.append(folder.load().drain_s)
    monkeypatch.setenv('PYTASK_DRAIN', '3')
    seen.append(folder.load().drain_s)
    seen.append(folder.load(drain=4).drain_s)
    assert seen == [10, 1, 2, 3, 4]


def test_what_is_not_given_does_not_win(folder, monkeypatch):
    monkeypatch.setenv('PYTASK_DRAIN', '3')
    monkeypatch.setenv('PYTASK_QUEUE', 'a,b')
    settings = folder.load(drain=None, queue=())
    assert (settings.drain_s, settings.queue) == (3, ('a', 'b'))


def test_an_empty_variable_is_none(folder, monkeypatch):
    monkeypatch.setenv('PYTASK_DRAIN', '')
    assert folder.load().drain_s == 10


def test_one_queue_needs_no_list(folder):
    folder.own('queue = "mail"')
    assert folder.load().queue == ('mail',)


def test_the_other_projects_key_is_passed_over(folder):
    folder.shared('[tool.pytask.ini_options]\nmarkers = []')
    assert folder.load() == Settings()


def test_a_project_file_without_our_table_is_fine(folder):
    folder.shared('[project]\nname = "x"')
    assert folder.load() == Settings()


def test_an_unknown_setting_names_its_file_and_the_near_one(folder):
    folder.own('concurency = 5')
    assert folder.failure() == "pytask.toml: no setting 'concurency'; did you mean 'concurrency'?"


def test_an_unknown_setting_without_a_near_one_lists_all(folder):
    folder.shared('[tool.pytask]\nxyzzy = 5')
    assert folder.failure().startswith(
        "pyproject.toml: no setting 'xyzzy'; the settings are app, concurrency, drain,"
    )


@pytest.mark.parametrize(
    'text', ['concurrency = "many"', 'concurrency = 0', 'lease = 0.1', 'drain = -1', 'queue = []']
)
def test_a_bad_value_names_the_file_it_stands_in(folder, text):
    folder.own(text)
    assert 'pytask.toml' in folder.failure()


@pytest.mark.parametrize(
    ('name', 'value'),
    [('LEASE', 'long'), ('CONCURRENCY', '0'), ('QUEUE', 'a b'), ('PREFIX', 'a*'), ('NAME', 'x' * 33)],
)
def test_a_bad_value_names_the_environment(folder, monkeypatch, name, value):
    monkeypatch.setenv(f'PYTASK_{name}', value)
    message = folder.failure()
    assert 'environment' in message or f'PYTASK_{name}' in message


@pytest.mark.parametrize(('name', 'value'), [('lease', 'long'), ('concurrency', 0), ('drain', -1.0)])
def test_a_bad_value_names_its_flag(folder, name, value):
    assert f'--{name}' in folder.failure(**{name: value})


@pytest.mark.parametrize('text', ['drain = ', '\udcff'])
def test_a_file_that_is_no_toml_is_named(folder, text):
    (folder.path / 'pytask.toml').write_bytes(text.encode('utf-8', 'surrogateescape'))
    assert folder.failure().startswith('pytask.toml is not TOML')


@pytest.mark.parametrize('text', ['tool = 5', '[tool]\npytask = 5'])
def test_a_table_that_is_none_is_a_config_error(folder, text):
    folder.shared(text)
    assert 'pyproject.toml' in folder.failure()


@pytest.mark.parametrize(
    'given',
    [
        {'prefix': 'a*'},
        {'prefix': 'a?'},
        {'prefix': '[a]'},
        {'prefix': 'a\\'},
        {'prefix': 'a\n'},
        {'concurrency': 0},
        {'concurrency': 100_001},
        {'lease': 0.1},
        {'lease': 86_401},
        {'lease': float('nan')},
        {'drain': -1},
        {'drain': float('nan')},
        {'keep_success': float('nan')},
        {'keep_ended': float('inf')},
        {'keep_ended': -1},
        {'max_success': -1},
        {'queue': [f'q{i}' for i in range(17)]},
        {'queue': ['']},
        {'queue': ['a b']},
        {'queue': ['a\n']},
        {'queue': ['x' * 65]},
        {'name': 'a b'},
        {'name': 'x' * 33},
    ],
    ids=str,
)
def test_what_can_not_work_is_refused(folder, given):
    assert folder.failure(**given)


@pytest.mark.parametrize('given', [{'prefix': '{orders}:'}, {'queue': ['a.b:c/d@e_f-g']}, {'name': 'host-1'}])
def test_what_can_is_taken(folder, given):
    assert folder.load(**given)


def test_settings_stay_as_they_are():
    with pytest.raises(AttributeError):
        Settings().drain_s = 5


def test_the_url_is_not_in_the_repr():
    assert 'secret' not in repr(Settings(redis='redis://:secret@host'))


@pytest.mark.parametrize(
    ('url', 'shown'),
    [
        ('redis://host:6379/0', 'redis://host:6379/0'),
        ('redis://:secret@host', 'redis://:***@host'),
        ('rediss://me:secret@host:1/2', 'rediss://me:***@host:1/2'),
        ('unix://me:secret@/run/redis.sock', 'unix://me:***@/run/redis.sock'),
    ],
)
def test_a_password_is_hidden(url, shown):
    assert redacted(url) == shown


@pytest.mark.parametrize(
    'url',
    [
        'redis://:top@secret@host',
        'redis://:top/secret@host',
        'redis://:top:secret@host',
        'redis://host/0?password=secret',
        'redis://host/0?db=1&password=secret',
    ],
)
def test_a_password_is_hidden_wherever_it_stands(url):
    assert 'secret' not in redacted(url)


@pytest.mark.parametrize(
    ('text', 'address'),
    [
        ('8080', ('127.0.0.1', 8080)),
        (':8080', ('127.0.0.1', 8080)),
        ('0.0.0.0:1', ('0.0.0.0', 1)),
        ('box.local:65535', ('box.local', 65_535)),
        ('[::1]:8080', ('::1', 8080)),
    ],
)
def test_an_address_is_a_port_with_or_without_a_host(folder, text, address):
    assert split_address(folder.load(health=text).health) == address


@pytest.mark.parametrize(
    'text', [':', 'x', '0', '65536', 'a b:80', '::1:80', 'http://x:80', '[]x]:80', '-1', '\u0661']
)
def test_what_is_no_address_is_refused(folder, text):
    assert folder.failure(health=text).startswith(f'--health: health = {text!r}: ')


def test_the_address_may_be_a_bare_number_in_a_file_and_nothing_on_the_line(folder):
    folder.own('health = 8080')
    assert folder.load().health == '8080'
    assert folder.load(health='').health == ''
    folder.own('health = true')
    assert 'health = True' in folder.failure()


def test_a_probe_calls_this_machine_where_a_worker_listens_on_all():
    assert to_call(('0.0.0.0', 80)) == ('127.0.0.1', 80)
    assert to_call(('::', 80)) == ('::1', 80)
    assert to_call(('box', 80)) == ('box', 80)


@pytest.mark.parametrize(
    ('name', 'near'),
    [('CONCURENCY', 'CONCURRENCY'), ('QUEUES', 'QUEUE'), ('REDIS_URL', 'REDIS'), ('TASK', 'TASKS')],
)
def test_a_variable_that_is_nearly_one_of_ours_is_refused(folder, monkeypatch, name, near):
    monkeypatch.setenv(f'PYTASK_{name}', '1')
    assert folder.failure() == f'PYTASK_{name}: no such setting; did you mean PYTASK_{near}?'


@pytest.mark.parametrize(
    'name',
    ['REDIS_PORT', 'REDIS_SERVICE_HOST', 'REDIS_PORT_6379_TCP_ADDR', 'SERVICE_PORT', 'RESTARTED', 'DEBUG', 'HOME'],
)
def test_a_variable_that_is_anybodys_is_passed_over(folder, monkeypatch, name):
    monkeypatch.setenv(f'PYTASK_{name}', 'tcp://10.0.0.1:6379')
    assert folder.load() == Settings()


@pytest.mark.parametrize(
    ('data', 'says'),
    [
        (b'drain = 5\nlease = \n', 'pytask.toml is not TOML: Invalid value (at line 2, column 9)'),
        (b'# a\n# b\nname = "\xff"\n', 'pytask.toml is not TOML: line 3 is not UTF-8'),
    ],
)
def test_a_file_that_is_no_toml_tells_the_line(folder, data, says):
    (folder.path / 'pytask.toml').write_bytes(data)
    assert folder.failure() == says


def test_a_file_that_may_not_be_read_is_named(folder, monkeypatch):
    folder.own('drain = 5')

    def refuse(path):
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setattr('pathlib.Path.read_bytes', refuse)  # root may read everything
    path = folder.path / 'pytask.toml'
    says = f'pytask.toml cannot be read: Permission denied; check its permissions with `ls -l {path}`'
    assert folder.failure() == says


def test_a_folder_that_is_gone_is_told(tmp_path, monkeypatch):
    (tmp_path / 'gone').mkdir()
    monkeypatch.chdir(tmp_path / 'gone')
    (tmp_path / 'gone').rmdir()
    with pytest.raises(ConfigError, match='the current directory no longer exists'):
        load()


def test_a_value_knows_where_it_was_chosen(folder, monkeypatch):
    folder.own('drain = 5\nname = "a"')
    monkeypatch.setenv('PYTASK_LEASE', '3')
    found = chosen({'queue': ['q']}, code={'name': 'b', 'redis': None}, folder=folder.path)
    assert found == {
        'drain': (5.0, 'pytask.toml'), 'name': ('b', 'PyTask(name=...)'), 'lease': (3.0, 'PYTASK_LEASE'),
        'queue': (('q',), '--queue'),
    }  # fmt: skip


def test_a_flag_is_named_as_it_is_written(folder):
    assert folder.failure(max_hang=-1).startswith('--max-hang: max_hang = -1: ')
    with pytest.raises(ConfigError, match=r'PyTask\(max_hang=...\): max_hang = -1: '):
        PyTask(max_hang=-1)


def test_in_code_what_is_given_wins_over_the_environment(monkeypatch):
    monkeypatch.setenv('PYTASK_LEASE', '3')
    app = PyTask(lease=4)
    assert app.settings.lease_s == 4
    app.configure({'drain': 1})  # and on the command line it does not
    assert (app.settings.lease_s, app.settings.drain_s) == (3, 1)
