"""The scripts against a model, in random order; see `machine.py`."""

import random

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from machine import Machine

ROUGH = settings(
    max_examples=100,
    stateful_step_count=50,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.one_server
@pytest.mark.timeout(300)
def test_whatever_happens_no_run_is_lost_doubled_or_overwritten(hands):
    number = random.randrange(2**32)
    print(f'seed {number}')
    machine = seed(number)(type('OnThisServer', (Machine,), {'hands': hands}))
    run_state_machine_as_test(machine, settings=ROUGH)
