"""docs/deploy.rst: its blocks parse, and its figures are those of the settings."""

from __future__ import annotations

import importlib.util
import json
import re
import textwrap

import pytest
from support import ROOT

from pytask.cli.commands.init import HANG_MARGIN_S, STOP_MARGIN_S
from pytask.config.settings import Settings
from pytask.worker.monitoring import readiness
from pytask.worker.shutdown import STOP_LIMIT_S

PAGE = (ROOT / 'docs' / 'deploy.rst').read_text()
WORDS = ' '.join(PAGE.split())
MAX_HANG_S = Settings().max_hang_s


def blocks(language):
    found = re.findall(rf'^\.\. code:: {language}\n\n((?:    .*\n|\n)+)', PAGE, re.MULTILINE)
    return [textwrap.dedent(body) for body in found]


def value(text, key):
    (found,) = set(re.findall(rf'^ *{key}: (\d+)$', text, re.MULTILINE))
    return int(found)


def deployment():
    return next(text for text in blocks('yaml') if 'kind: Deployment' in text)


@pytest.mark.parametrize('text', blocks('yaml'), ids=['compose', 'deployment', 'keda'])
def test_yaml_is_well_formed(text):
    if importlib.util.find_spec('yaml'):
        import yaml

        assert {'kind', 'services'} & set(yaml.safe_load(text))
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith('#')]
    before = 0
    for line in lines:
        indent = len(line) - len(line.lstrip(' '))
        assert indent % 2 == 0
        assert indent <= before + 4, line
        assert re.fullmatch(r' *(- )?[\w./-]+:( \S.*)?', line), line
        before = indent


def test_the_probes_bear_what_a_worker_bears():
    liveness = deployment().partition('livenessProbe')[2]
    assert value(liveness, 'periodSeconds') * value(liveness, 'failureThreshold') > MAX_HANG_S


def test_the_times_to_end_are_above_the_drain():
    grace_s = value(deployment(), 'terminationGracePeriodSeconds')
    assert grace_s == Settings().drain_s + 15 > Settings().drain_s + STOP_LIMIT_S
    assert f'--stop-timeout {grace_s}' in PAGE
    assert PAGE.count(f'stop_grace_period: {grace_s}s') == 2
    assert f'gone within {grace_s} s by default' in WORDS
    assert f'``TimeoutStopSec`` is {STOP_MARGIN_S} s above ``--drain``' in WORDS
    assert f'``WatchdogSec`` {HANG_MARGIN_S} s above' in WORDS


def test_the_figures_are_those_of_the_code():
    assert f'``--drain`` ({Settings().drain_s:g} s)' in WORDS
    assert f'its lease ({Settings().lease_s:g} s)' in WORDS
    assert f'away for more than {readiness.AWAY_FOR_S:g} s' in WORDS
    assert f'turned within {readiness.TURNED_WITHIN_S:g} s' in WORDS
    assert f'to itself within {readiness.PROVED_WITHIN_S:g} s' in WORDS
    assert f'stuck for {readiness.STUCK_AFTER_S:g} s' in WORDS


def test_the_dockerfile_starts_no_shell():
    (text,) = blocks('docker')
    found = re.findall(r'^(?:HEALTHCHECK .*)?(ENTRYPOINT|CMD) (.*)$', text, re.MULTILINE)
    assert [json.loads(words) for _, words in found] == [['pytask', 'health'], ['pytask'], ['worker']]


def test_every_exit_code_of_a_worker_is_explained():
    from pytask.cli import EXIT_CODES
    from pytask.core import exit_codes

    explained = {int(code) for code in re.findall(r'^(\d+) {2,}\S', PAGE, re.MULTILINE)}
    own = {exit_codes.EXIT_OK, exit_codes.EXIT_BROKEN, exit_codes.EXIT_RESTART, exit_codes.EXIT_INTERRUPTED}
    assert explained == own | {code for _, code in EXIT_CODES if code in (2, 69, 78)}


def test_every_metric_is_told():
    source = (ROOT / 'pytask/worker/monitoring/metrics_page.py').read_text()
    told = re.findall(r'^``(pytask_\w+)``  ', PAGE, re.MULTILINE)
    assert sorted(told) == sorted(re.findall(r"'(pytask_\w+)'", source))
