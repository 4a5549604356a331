"""What `doctor` makes of facts that no server at hand can be brought to tell."""

import pytest

from pytask.cli import doctor_checks as checks
from pytask.cli.doctor_checks import NOTE, OK, WRONG


def levels(findings):
    return [finding.level for finding in findings]


@pytest.mark.parametrize(
    ('info', 'level', 'text'),
    [
        ({'redis_version': '6.0.16'}, WRONG, 'Redis 6.0.16 at there is too old'),
        ({'redis_version': '6.2.0'}, OK, 'Redis 6.2.0 at there'),
        ({'redis_version': '10.0.1'}, OK, 'Redis 10.0.1 at there'),
        (
            {'redis_version': '7.2.4', 'server_name': 'valkey', 'valkey_version': '9.1.2'},
            OK,
            'Valkey 9.1.2 at there',
        ),
        ({}, OK, 'there answers; its version is unknown, since this user may not call INFO'),
    ],
)
def test_a_server_that_is_too_old_is_wrong(info, level, text):
    [found] = checks.server(info, 'there')
    assert (found.level, found.text) == (level, text)


def test_a_slow_way_is_wrong():
    assert checks.latency(0.2).level == OK
    found = checks.latency(40)
    assert (found.level, found.text.split(':')[0]) == (WRONG, '40.00 ms per round trip')


def test_what_could_not_be_written_is_wrong():
    info = {'aof_enabled': '1', 'aof_last_write_status': 'err', 'rdb_last_bgsave_status': 'err'}
    assert levels(checks.persistence(info, {})) == [WRONG, WRONG, OK]


def test_what_may_not_be_asked_is_a_note():
    found = [*checks.persistence({}, {}), *checks.memory({}), *checks.keys(None)]
    assert levels(found) == [NOTE] * 3


def test_clocks_and_files():
    assert [checks.clock(s).level for s in (0, 0.9, -0.9, 1.1, -1.1)] == [OK, OK, OK, WRONG, WRONG]
    assert 'ahead of' in checks.clock(2).text
    assert [checks.files(soft, 100).level for soft in (99, 100, -1)] == [WRONG, OK, OK]


def test_whatever_is_not_well_has_a_remedy():
    found = [
        *checks.server({'redis_version': '5.0', 'role': 'slave'}, 'x'), checks.latency(99), checks.clock(9),
        *checks.persistence({'aof_enabled': '0', 'aof_last_write_status': 'err'}, {}), checks.rights(['hset']),
        *checks.memory({'maxmemory_policy': 'volatile-ttl', 'used_memory': '99', 'maxmemory': '100'}),
        *checks.keys([('a', 'b', 'c')]), checks.files(1, 2), *checks.workers([], '1', 'pytask'),
        *checks.workers([{'id': 'w', 'version': '2', 'lag_ms': '800', 'troubles': 'x'}], '1', 'pytask'),
    ]  # fmt: skip
    assert all(one.remedy and '\n' not in one.remedy for one in found if one.level != OK)
    assert levels(found).count(WRONG) == 13
