"""Tests run side by side end as they would one after the other: in the summary, and in the exit code."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import pytest
from support import ROOT, wait_until

PASSES = 'def test_it(): pass'


@pytest.fixture
def start(tmp_path):
    """Start pytest with two lanes on some files; `start(name='source', …)`."""
    started = []

    def start(*arguments, **files):
        for name, source in files.items():
            (tmp_path / f'test_{name}.py').write_text(textwrap.dedent(source))
        words = ['-m', 'gevent.monkey', '--module', 'pytest', '-W', 'error', '-p', 'lanes', '--lanes', '2']
        process = subprocess.Popen(
            [sys.executable, *words, *arguments],
            cwd=tmp_path, env=os.environ | {'PYTHONPATH': str(ROOT / 'tests')}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def run(start):
    def run(*arguments, **files):
        process = start(*arguments, **files)
        out, _ = process.communicate(timeout=50)
        return process.returncode, out

    return run


def test_the_summary_counts_the_tests_of_all_lanes(run):
    code, out = run(
        '-ra',
        one=PASSES,
        two='import pytest\n@pytest.mark.parametrize("n", range(5))\ndef test_it(n): pass',
        three='import pytest\ndef test_it(): pytest.skip("not today")',
    )
    assert code == 0, out
    assert ' 6 passed, 1 skipped in ' in out.splitlines()[-1]
    assert 'test_two.py .....' in out
    assert 'SKIPPED [1] test_three.py:2: not today' in out


def test_a_failure_is_told_whole(run):
    code, out = run(one=PASSES, two='def test_it():\n    print("said before")\n    assert 1 == 1 + 1, "no sum"')
    assert code == 1
    assert ' 1 failed, 1 passed in ' in out.splitlines()[-1]
    assert 'said before' in out
    assert 'AssertionError: no sum' in out


def test_a_lane_that_dies_passes_nothing(run):
    ends = {
        'zero': 'os._exit(0)',
        'five': 'os._exit(5)',
        'killed': 'os.kill(os.getpid(), 9)',
        'exit': 'pytest.exit("enough")',
    }
    dying = """
        import os, pytest
        def test_first(): pass
        def test_second():
            {}
        def test_third(): pass
        """
    code, out = run(one=PASSES, **{name: dying.format(end) for name, end in ends.items()})
    assert code == 1, out
    assert f' {2 * len(ends)} failed, {1 + len(ends)} passed in ' in out.splitlines()[-1]
    assert out.count('the lane ended too early') >= 4
    assert out.count('its lane died, exit code -9') >= 2


def test_a_lane_that_dies_after_its_tests_is_told(run):
    at_exit = 'if "--lane" in sys.argv:\n    atexit.register(os._exit, 3)'
    code, out = run(one=f'import atexit, os, sys\n{at_exit}\n{PASSES}')
    assert code == 1, out
    assert ' 1 failed, 1 passed in ' in out.splitlines()[-1]
    assert 'its lane died, exit code 3' in out


def test_a_test_that_a_lane_does_not_find_has_not_passed(run):
    code, out = run(one=f'import sys\n{PASSES}\nif "--lane" not in sys.argv:\n    def test_more(): pass')
    assert code == 1
    assert ' 1 failed, 1 passed in ' in out.splitlines()[-1]


def test_no_tests_are_no_success(run):
    code, out = run(one='')
    assert code == 5, out
    assert 'no tests ran' in out
    code, out = run(one='import nothing_of_this_name', two=PASSES)
    assert code == 2
    assert ' 1 error in ' in out


def test_it_ends_at_the_first_failure_when_told_to(run):
    code, out = run('-x', one='def test_it(): assert False', two='import time\ndef test_it(): time.sleep(40)')
    assert code == 1
    assert ' 1 failed in ' in out.splitlines()[-1]


def test_a_lane_that_does_not_end_has_failed_and_shows_where_it_is(run, tmp_path):
    (tmp_path / 'conftest.py').write_text('import lanes\nlanes.END_S = 5\n')
    hangs = 'import atexit, time\ndef hang_about(): time.sleep(40)\ndef test_it(): atexit.register(hang_about)'
    code, out = run(one=hangs, two=PASSES)
    assert code == 1
    assert 'its lane died, exit code none' in out
    assert ' in hang_about' in out
    assert ' 1 failed, 2 passed in ' in out.splitlines()[-1]


def test_an_interrupt_ends_all_lanes_and_what_they_have_started(start, tmp_path):
    source = f"""
        import os, pathlib, pytest, subprocess, time
        folder = pathlib.Path({str(tmp_path)!r})
        @pytest.fixture
        def server():
            server = subprocess.Popen(['sleep', '300'])
            (folder / f'pid-{{os.getpid()}}-{{server.pid}}').touch()
            yield
            (folder / f'torn-down-{{os.getpid()}}').touch()
        def test_it(server): time.sleep(300)
        """
    process = start(one=source, two=source)
    wait_until(lambda: len(list(tmp_path.glob('pid-*'))) == 2 or process.poll() is not None, 'both lanes run', 30)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=40)
    assert process.returncode == 2, out
    assert 'KeyboardInterrupt' in out
    assert ' passed' not in out
    pids = [int(pid) for path in tmp_path.glob('pid-*') for pid in path.name.split('-')[1:]]
    assert len(pids) == 4, out
    assert len(list(tmp_path.glob('torn-down-*'))) == 2
    wait_until(lambda: not any(os.path.exists(f'/proc/{pid}') for pid in pids), 'none is left')  # noqa: PTH110
