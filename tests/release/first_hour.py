"""The first minutes with an installed pytask, in the empty folder in which this is run: init, dev, run, stop."""

import json
import signal
import subprocess
import time
from pathlib import Path

HELLO = 'from pytask import task\n\n\n@task\ndef hello(name: str = "world"):\n    return f"hello {name}"\n'


def pytask(*words):
    done = subprocess.run(['pytask', *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f'pytask {" ".join(words)}: {done.returncode}\n{done.stdout}{done.stderr}'
    return done.stdout


def main():
    assert not list(Path().iterdir()), 'not in an empty folder'
    print(pytask('--version').strip())
    pytask('init')
    if not Path('tasks').is_dir():  # `init` without a word does not write it
        Path('tasks').mkdir()
        Path('tasks/hello.py').write_text(HELLO)
    name = json.loads(pytask('tasks', '--json').splitlines()[0])['name']
    dev = subprocess.Popen(['pytask', 'dev', '--no-demo'], stdout=subprocess.DEVNULL)
    try:
        limit = time.monotonic() + 30
        while not Path('.pytask/redis/server.json').exists():
            assert dev.poll() is None, f'pytask dev: {dev.returncode}'
            assert time.monotonic() < limit, 'pytask dev is not up'
            time.sleep(0.05)
        print(pytask('run', name, '--wait', '30').strip())
        dev.send_signal(signal.SIGINT)
        assert dev.wait(30) == 0, f'pytask dev: {dev.returncode}'
    finally:
        if dev.poll() is None:
            dev.kill()


main()
