"""The wire contract: Redis is the API. With redis-cli alone, and from Node.js with the npm `redis` package."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest
from support import ROOT, check_keys, wait_until

TASKS = """
    from pytask import Task, task

    class HelloWorld(Task):
        def __init__(self, name='world'):
            self.name = name
        def start(self):
            self.emit('greeted', {'whom': self.name})
            return f'hello {self.name}'

    class Forever(Task):
        def start(self):
            for _ in self.every(0.05):
                pass
        def stop(self):
            pass
"""

needs_redis_cli = pytest.mark.skipif(not shutil.which('redis-cli'), reason='no redis-cli on PATH')
needs_node = pytest.mark.skipif(
    not shutil.which('node') or not (ROOT / 'tests/node/node_modules/redis').is_dir(),
    reason='no Node.js with the npm package redis (npm install --prefix tests/node redis)',
)


@pytest.fixture
def cli(server):
    def run(*words):
        done = subprocess.run(
            ['redis-cli', '-p', str(server.port), *words], capture_output=True, text=True, check=True, timeout=10
        )
        return done.stdout.strip()

    return run


@pytest.fixture
def worker(processes):
    return processes.worker('--tasks', str(processes.tasks(TASKS)), '--lease', '2')


@pytest.mark.promise(5)
@needs_redis_cli
def test_two_commands_start_a_run_and_its_hash_tells_the_end(cli, worker):
    cli('HSET', 'task-42', 'task', 'hello-world', 'data', '{"name": "you"}')
    cli('LPUSH', 'new-task', '42')
    wait_until(lambda: cli('HGET', 'task-42', 'state') == 'SUCCESS', 'the run ends')
    assert cli('HGET', 'task-42', 'output') == '"hello you"'


@needs_redis_cli
def test_subscribe_hears_the_whole_life_in_order(cli, redis, server, worker):
    with subprocess.Popen(
        ['redis-cli', '-p', str(server.port), 'SUBSCRIBE', 'task-42'], stdout=subprocess.PIPE, text=True
    ) as watcher:
        wait_until(lambda: redis.pubsub_numsub('task-42')[0][1] == 1, 'redis-cli is subscribed')
        cli('HSET', 'task-42', 'task', 'hello-world', 'data', '{"name": "you"}')
        cli('LPUSH', 'new-task', '42')
        wait_until(lambda: cli('HGET', 'task-42', 'state') == 'SUCCESS', 'the run ends')
        lines = []
        while not lines or 'success' not in lines[-1]:
            lines.append(watcher.stdout.readline().strip())
        watcher.kill()
    events = [json.loads(line) for line in lines if line.startswith('{')]
    assert [event['event'] for event in events] == ['running', 'greeted', 'success']
    assert events[1]['data'] == {'whom': 'you'}
    assert events[2]['data'] == 'hello you'
    assert all(event['at'] > 1_700_000_000 for event in events)


@needs_redis_cli
def test_publish_stop_stops_a_running_run(cli, worker):
    cli('HSET', 'task-7', 'task', 'forever', 'data', '{}')
    cli('LPUSH', 'new-task', '7')
    wait_until(lambda: cli('HGET', 'task-7', 'state') == 'RUNNING', 'the run runs')
    assert int(cli('PUBLISH', 'task-7-control', 'stop')) >= 1
    wait_until(lambda: cli('HGET', 'task-7', 'state') == 'STOPPED', 'the run has stopped')


@needs_redis_cli
def test_an_ended_run_runs_again_by_two_commands(cli, redis, worker):
    cli('HSET', 'task-42', 'task', 'hello-world', 'data', '{}')
    cli('LPUSH', 'new-task', '42')
    wait_until(lambda: cli('HGET', 'task-42', 'state') == 'SUCCESS', 'the run ends')
    cli('HSET', 'task-42', 'state', 'WAIT')
    cli('LPUSH', 'new-task', '42')
    wait_until(lambda: redis.hmget('task-42', 'attempt', 'state') == ['2', 'SUCCESS'], 'the run ends again')
    assert redis.zcard('ended-SUCCESS') == 1


def test_what_foreign_hands_get_wrong_harms_nothing(redis, worker):
    """No hash, wrong type, no JSON object, unknown task, unusable ids, doubles, a stopped one; and one good run."""
    redis.set('task-string', 'no hash')
    redis.hset('task-list', mapping={'task': 'hello-world', 'data': '[1, 2]'})
    redis.hset('task-junk', mapping={'task': 'hello-world', 'data': '{"name": '})
    redis.hset('task-typo', mapping={'task': 'helo-world', 'data': '{}'})
    redis.hset('task-stopped', mapping={'task': 'hello-world', 'data': '{}', 'state': 'STOPPED'})
    redis.hset('task-often', mapping={'task': 'hello-world', 'data': '{}'})
    redis.hset('task-good', mapping={'task': 'hello-world', 'data': '{}'})
    bad = ['nowhere', 'string', 'x' * 10_000, 'two\nlines', 'evil-control', 'list', 'junk', 'typo', 'stopped']
    redis.lpush('new-task', *bad, *['often'] * 100, 'good')

    wait_until(lambda: redis.hget('task-good', 'state') == 'SUCCESS', 'the good run ends')
    wait_until(lambda: redis.llen('dead-task') == 5, 'what can not be a run is dead')
    assert {entry[:9] for entry in redis.lrange('dead-task', 0, -1)} == {
        'nowhere', 'string', 'x' * 9, 'two\nlines', 'evil-cont',
    }  # fmt: skip
    assert max(len(entry) for entry in redis.lrange('dead-task', 0, -1)) <= 256
    for run_id in ('list', 'junk'):
        wait_until(lambda run_id=run_id: redis.hget(f'task-{run_id}', 'state') == 'ERROR', f'{run_id} is an ERROR')
    assert 'not a JSON object' in redis.hget('task-list', 'output')
    assert 'not JSON' in redis.hget('task-junk', 'output')
    why = 'no worker knows "helo-world"; did you mean "hello-world"?'
    wait_until(lambda: redis.hmget('task-typo', 'state', 'reason') == ['WAIT', why], 'the reason teaches')
    assert redis.lrange('parked-helo-world', 0, -1) == ['typo']
    assert redis.hget('task-stopped', 'state') == 'STOPPED'
    assert redis.hmget('task-often', 'state', 'attempt') == ['SUCCESS', '1']
    assert redis.get('task-string') == 'no hash'
    assert redis.llen('new-task') == 0
    redis.delete('task-string', 'task-stopped')  # never accepted: theirs
    check_keys(redis)


def test_an_id_pushed_before_its_hash_waits_for_it(redis, worker):
    redis.lpush('new-task', 'early')
    wait_until(lambda: redis.zscore('due', 'early'), 'it is put off')
    redis.hset('task-early', mapping={'task': 'hello-world', 'data': '{}'})
    wait_until(lambda: redis.hget('task-early', 'state') == 'SUCCESS', 'the run ends')


@pytest.mark.promise(3)
def test_a_stopped_waiting_run_never_starts_also_after_a_double_push_and_a_restart(redis, processes):
    redis.hset('task-9', mapping={'task': 'hello-world', 'data': '{}'})
    redis.lpush('new-task', '9', '9')
    assert processes.run('stop', '9').stdout == '9\tapplied\n'
    redis.lpush('new-task', '9')
    tasks = str(processes.tasks(TASKS))
    for turn in range(2):
        worker = processes.worker('--tasks', tasks, '--lease', '2', '--drain', '0')
        redis.lpush('new-task', '9')
        redis.hset(f'task-after-{turn}', mapping={'task': 'hello-world', 'data': '{}'})
        redis.lpush('new-task', f'after-{turn}')
        wait_until(lambda turn=turn: redis.hget(f'task-after-{turn}', 'state') == 'SUCCESS', 'a later run ends')
        worker.terminate()
        assert worker.wait(20) == 0
    assert redis.hmget('task-9', 'state', 'attempt') == ['STOPPED', None]
    assert redis.llen('new-task') == 0


NODE = """
const { createClient } = require('redis');
(async () => {
  const client = createClient({ url: process.argv[2] });
  await client.connect();
  const watcher = client.duplicate();
  await watcher.connect();
  const events = [];
  let ended;
  const end = new Promise(resolve => { ended = resolve; });
  await watcher.subscribe('task-js', text => {
    const event = JSON.parse(text);
    events.push(event.event);
    if (['success', 'stopped'].includes(event.event)) ended();
  });
  const once = async name => {
    await client.hSet('task-js', { task: name, data: JSON.stringify({}), state: 'WAIT' });
    await client.lPush('new-task', 'js');
  };
  await once('hello-world');
  await end;
  const first = await client.hGetAll('task-js');
  const stopped = new Promise(resolve => { ended = resolve; });
  await once('forever');
  while (await client.hGet('task-js', 'state') !== 'RUNNING') await new Promise(r => setTimeout(r, 20));
  await client.publish('task-js-control', 'stop');
  await stopped;
  const second = await client.hGetAll('task-js');
  console.log(JSON.stringify({ events, first, second }));
  await watcher.quit();
  await client.quit();
})();
"""


@needs_node
def test_node_starts_watches_stops_and_runs_again(server, worker, tmp_path):
    script = tmp_path / 'client.js'
    script.write_text(NODE)
    modules = str(ROOT / 'tests/node/node_modules')
    done = subprocess.run(
        ['node', str(script), server.url], capture_output=True, text=True, timeout=30, check=False,
        env={'NODE_PATH': modules, 'PATH': '/usr/local/bin:/usr/bin:/bin'},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told['events'] == ['running', 'greeted', 'success', 'running', 'stopped']
    assert told['first']['output'] == '"hello world"'
    assert (told['second']['state'], told['second']['attempt']) == ('STOPPED', '2')


@needs_redis_cli
@pytest.mark.one_server
@pytest.mark.timeout(120)
def test_a_hundred_thousand_runs_by_redis_cli_pipe_are_all_recorded(redis, server, worker):
    produce = (
        'import sys\n'
        'for i in range(100_000):\n'
        '    sys.stdout.write(f"HSET task-{i} task hello-world data {{}}\\r\\nLPUSH new-task {i}\\r\\n")\n'
    )
    with subprocess.Popen([sys.executable, '-c', produce], stdout=subprocess.PIPE) as producer:
        piped = subprocess.run(
            ['redis-cli', '-p', str(server.port), '--pipe'],
            stdin=producer.stdout,
            capture_output=True,
            text=True,
            check=True,
        )
    assert 'errors: 0, replies: 200000' in piped.stdout
    wait_until(lambda: redis.zcard('ended-SUCCESS') == 100_000, 'all are recorded SUCCESS', 90)
    assert redis.hget('stats', 'SUCCESS:hello-world') == '100000'
    assert redis.zcard('leases') == redis.llen('new-task') == 0
    check_keys(redis)
