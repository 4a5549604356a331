"""The chaos run as a test: a minute each for two seeds. `bin/chaos` is the same by hand, as long as you like."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


@pytest.mark.timeout(180)
@pytest.mark.parametrize('seed', [1, 2])
def test_nothing_is_lost_or_doubled_while_everything_fails(seed):
    command = [sys.executable, str(HERE), '--seconds', '60', '--rest', '60', '--seed', str(seed)]
    environment = os.environ | {'PYTHONPATH': str(ROOT)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as chaos:
        try:
            output = chaos.communicate(timeout=170)[0]
        except subprocess.TimeoutExpired:
            chaos.terminate()  # it ends its processes, and tells how far it came
            output = chaos.communicate()[0]
    assert chaos.returncode == 0, output
