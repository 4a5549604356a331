"""The scripts against a model, in random order; see `machine.py`."""

import random

import mutants
import pytest
from machine import run_machine


@pytest.mark.one_server
@pytest.mark.timeout(600)  # seconds while all is well; to make a failure short takes minutes
def test_whatever_happens_no_run_is_lost_doubled_or_overwritten(hands, turns):
    seed = random.randrange(2**32)
    print(f'seed {seed}')
    died_of, _ = run_machine(hands, seed, examples=turns(250))
    if died_of is not None:
        raise died_of


@pytest.mark.one_server
def test_a_mutant_that_is_not_there_is_named(capsys):
    assert mutants.main(['sweeep']) == 2
    assert "no mutant has 'sweeep' in its name; there are:" in capsys.readouterr().out
