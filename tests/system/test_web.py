"""`pytask web`, `pytask worker --web` and the page of `pytask dev`, as processes."""

import errno
import re
import signal
import socket
import urllib.error
import urllib.request

import pytest
from devs import Devs
from support import SOON_S, wait_until

from pytask.cli.dev import web_socket
from pytask.embedded.server import free_port
from pytask.errors import ConfigError

pytestmark = pytest.mark.one_server

TOKEN = 'a-token-of-the-tests'
HELLO = """
    from pytask import task
    @task
    def hello(): return 'hello'
    @task(expose=True)
    def shown(): return 'shown'
"""


def get(url, **headers):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def names_at(port, token=TOKEN):
    _, text = get(f'http://127.0.0.1:{port}/api/v1/tasks', Authorization=f'Bearer {token}')
    return re.findall(r'"name":"([^"]+)"', text)


def is_open(port):
    with socket.socket() as sock:
        return sock.connect_ex(('127.0.0.1', port)) == 0


def test_web_prints_its_url_and_ends_when_told(processes):
    processes.tasks(HELLO)
    port = free_port()
    process = processes.start('web', f':{port}')
    line = process.stdout.readline()
    url, token = re.fullmatch(rf'web     (http://127\.0\.0\.1:{port}/login\?token=([\w-]+))\n', line).groups()
    assert names_at(port, token) == ['shown']
    assert get(f'http://127.0.0.1:{port}/api/v1/tasks')[0] == 401
    assert get(url)[0] in (200, 401)  # it leads to the page, with a cookie that this client does not keep
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=SOON_S)
    assert (process.returncode, told) == (0, '')


def test_a_token_of_ones_own_is_not_printed(processes):
    port = free_port()
    process = processes.start(
        'web', str(port), environment={'PYTASK_WEB_TOKEN': TOKEN, 'PYTASK_EXPOSE': 'hello,other'}
    )
    assert process.stdout.readline() == f'web     http://127.0.0.1:{port}/\n'
    assert names_at(port) == []
    process.send_signal(signal.SIGINT)
    out, told = process.communicate(timeout=SOON_S)
    assert process.returncode == 0
    assert TOKEN not in out + told


def test_for_others_than_this_machine_it_needs_auth(processes):
    for words in (
        ['web', '0.0.0.0:8275'],
        ['worker', '--tasks', str(processes.tasks(HELLO)), '--web', '0.0.0.0:8275'],
    ):
        done = processes.run(*words)
        assert done.returncode == 78
        first, *rest = done.stderr.splitlines()
        assert first.startswith("Error: web = '0.0.0.0:8275' is reachable from other machines")
        assert any('PYTASK_WEB_TOKEN' in line for line in rest)


@pytest.mark.parametrize('address', ['nonsense', ':0', 'a b:1', ':99999'])
def test_what_is_no_address_is_told(processes, address):
    done = processes.run('web', address)
    assert done.returncode == 78
    assert done.stderr.startswith(f'Error: --web: web = {address!r}')


def test_a_port_that_is_taken_is_told(processes):
    with socket.create_server(('127.0.0.1', 0)) as other:
        port = other.getsockname()[1]
        done = processes.run('web', f':{port}')
    assert (done.returncode, done.stderr) == (
        78,
        f"Error: web = ':{port}': port {port} is taken; name another one\n",
    )


def test_without_redis_it_does_not_start(processes):
    done = processes.run('web', PYTASK_REDIS='redis://127.0.0.1:1/0')
    assert done.returncode == 69


def test_a_worker_serves_it_until_its_end(processes):
    folder, port = processes.tasks(HELLO), free_port()
    process = processes.worker('--tasks', str(folder), '--web', f':{port}', environment={'PYTASK_EXPOSE': 'hello'})
    line = process.stderr.readline()
    token = re.fullmatch(rf'web on http://127\.0\.0\.1:{port}/login\?token=([\w-]+)\n', line)[1]
    assert names_at(port, token) == ['hello', 'shown']
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=SOON_S)
    assert process.returncode == 0
    assert token not in told
    assert not is_open(port)


def test_an_app_that_runs_itself_serves_it(processes):
    port = free_port()
    (processes.folder / 'site.py').write_text(f"""
from pytask import PyTask
app = PyTask(web=':{port}', web_token='{TOKEN}', tasks='', expose=['hi'])
@app.task
def hi(): return 1
if __name__ == '__main__':
    app.run()
""")
    import subprocess
    import sys

    process = subprocess.Popen(
        [sys.executable, 'site.py'], cwd=processes.folder, env=processes.environment(), stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    processes.running.append(process)
    wait_until(lambda: is_open(port), 'it listens', 20)
    assert names_at(port) == ['hi']


@pytest.fixture
def devs(server_binary, tmp_path):
    with Devs(tmp_path, server_binary) as devs:
        devs.save('tasks/some.py', HELLO)
        yield devs


def url_of(dev):
    return wait_until(
        lambda: re.search(r'web     (http://127\.0\.0\.1:(\d+)/login\?token=([\w-]+))(.*)', dev.text), 'a URL', 20
    )


def test_dev_serves_the_page_and_exposes_all(devs):
    port = free_port()
    devs.environment['PYTASK_WEB'] = f':{port}'
    found = url_of(devs.start())
    assert (int(found[2]), found[4]) == (port, '')
    assert names_at(port, found[3]) == ['hello', 'shown']


def test_dev_goes_to_the_next_port_and_says_so(devs):
    with socket.create_server(('127.0.0.1', 0)) as other:
        port = other.getsockname()[1]
        devs.environment['PYTASK_WEB'] = f':{port}'
        found = url_of(devs.start('--no-reload'))
    assert int(found[2]) > port
    assert found[4] == f'   {port} is taken'
    assert names_at(found[2], found[3]) == ['hello', 'shown']


def test_the_url_holds_through_reloads(devs):
    devs.environment['PYTASK_WEB'] = f':{free_port()}'
    dev = devs.start()
    found = url_of(dev)
    devs.save('tasks/more.py', HELLO.replace('hello', 'third').replace('shown', 'fourth'))
    wait_until(lambda: names_at(found[2], found[3]) == ['fourth', 'hello', 'shown', 'third'], 'the new code', 20)
    assert dev.text.count('web     ') == 1


def test_dev_without_a_page(devs):
    dev = devs.start('--no-web')
    wait_until(lambda: 'Try, in another terminal' in dev.text, 'it has begun', 20)
    assert 'web     ' not in dev.text


def test_dev_goes_on_to_the_next_port_only_where_one_is_taken(monkeypatch):
    """Whatever else is wrong is told: it is wrong at each port."""
    with socket.create_server(('127.0.0.1', 0)) as other:
        port = other.getsockname()[1]
        place = web_socket.PageSocket(f':{port}')
        assert place.message()['note'] == f'   {port} is taken'
        place._listening.close()
    tried = []

    def forbidden(setting, text, address):
        tried.append(text)
        raise ConfigError('not allowed') from OSError(errno.EACCES, 'Permission denied')

    monkeypatch.setattr(web_socket, 'listener', forbidden)
    with pytest.raises(ConfigError, match='not allowed'):
        web_socket.PageSocket(':80')
    assert tried == [':80']
