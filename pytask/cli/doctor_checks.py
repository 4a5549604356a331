"""What `doctor` makes of what it sees: facts in, findings out. Each finding has a remedy of one line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

OK, NOTE, WRONG = 'ok', 'note', 'wrong'
OLDEST = (6, 2)
SLOW_MS = 20.0
SKEW_S = 1.0
LAGGING_MS = 500
FULL = 0.9


class Finding(NamedTuple):
    """One line of the report. A `note` may be meant so; what is `wrong` makes the exit code 1."""

    check: str
    level: str
    text: str
    remedy: str = ''


def server(info: Mapping[str, str], url: str) -> Iterator[Finding]:
    if not info:
        yield Finding('redis', OK, f'{url} answers; its user may not ask for more (INFO)')
        return
    name, version = 'Redis', info.get('redis_version', '?')
    if info.get('server_name') == 'valkey':
        name, version = 'Valkey', info.get('valkey_version', version)
    if tuple(map(int, re.findall(r'\d+', version)[:2])) < OLDEST:
        yield Finding(
            'redis', WRONG, f'{name} {version} at {url} is too old', 'install Redis 6.2 or newer, or Valkey'
        )
    else:
        yield Finding('redis', OK, f'{name} {version} at {url}')
    if info.get('role') == 'slave':
        yield Finding(
            'role',
            WRONG,
            'it is a replica, which takes no writes',
            'give the URL of the primary, or of the sentinels',
        )


def latency(median_ms: float) -> Finding:
    text = f'{median_ms:.2f} ms a round trip'
    if median_ms <= SLOW_MS:
        return Finding('latency', OK, text)
    return Finding(
        'latency',
        WRONG,
        f'{text}: each claim and each outcome waits for it',
        'put workers and Redis near each other',
    )


def persistence(info: Mapping[str, str], config: Mapping[str, str]) -> Iterator[Finding]:
    if 'aof_enabled' not in info:
        yield _unknown('persistence', 'INFO')
        return
    for name, what in (('aof_last_write_status', 'AOF'), ('rdb_last_bgsave_status', 'snapshot')):
        if info.get(name) == 'err':
            yield Finding(
                'persistence',
                WRONG,
                f'the last {what} could not be written',
                "look at the disk and the server's log",
            )
    if info['aof_enabled'] == '1':
        fsync = config.get('appendfsync', '')
        if fsync == 'no':
            yield Finding(
                'persistence', WRONG, 'AOF with appendfsync no: a crash of the machine costs half a minute',
                'CONFIG SET appendfsync everysec, and the same in redis.conf',
            )  # fmt: skip
        else:
            yield Finding('persistence', OK, f'AOF{", appendfsync " + fsync if fsync else ""}')
        return
    lost = 'what came since the last snapshot' if config.get('save', '?') else 'everything'
    yield Finding(
        'persistence', WRONG, f'no AOF: a restart of the server loses {lost}',
        'CONFIG SET appendonly yes, and the same in redis.conf',
    )  # fmt: skip


def memory(info: Mapping[str, str]) -> Iterator[Finding]:
    policy = info.get('maxmemory_policy')
    if policy is None:
        yield _unknown('memory', 'INFO')
        return
    if policy == 'noeviction':
        yield Finding('memory', OK, 'maxmemory-policy noeviction')
    else:
        yield Finding(
            'memory', WRONG, f'maxmemory-policy {policy}: runs are deleted when memory is full',
            'CONFIG SET maxmemory-policy noeviction, and the same in redis.conf',
        )  # fmt: skip
    used, most = int(info.get('used_memory', 0)), int(info.get('maxmemory', 0))
    if most and used > FULL * most:
        yield Finding(
            'memory',
            WRONG,
            f'{used / most:.0%} of maxmemory is used',
            'raise maxmemory, or keep ended runs shorter: keep_success, keep_ended',
        )


def keys(foreign: Sequence[tuple[str, str, str]] | None) -> Iterator[Finding]:
    if foreign is None:
        yield _unknown('keys', 'TYPE')
        return
    for key, kind, ours in foreign:
        yield Finding(
            'keys', WRONG, f'{key} is a {kind}, and a {ours} where it is of pytask',
            'another program uses this database: take another one, or give pytask a --prefix',
        )  # fmt: skip
    if not foreign:
        yield Finding('keys', OK, 'no key of ours is something else')


def rights(lacking: Sequence[str]) -> Finding:
    if not lacking:
        return Finding('rights', OK, 'all that pytask needs')
    return Finding(
        'rights',
        WRONG,
        f'its user may not: {", ".join(lacking)}',
        'give it the line that docs/redis.rst has for users.acl',
    )


def clock(ahead_s: float) -> Finding:
    if abs(ahead_s) <= SKEW_S:
        return Finding('clock', OK, f'{abs(ahead_s) * 1000:.0f} ms between this machine and Redis')
    way = 'ahead of' if ahead_s > 0 else 'behind'
    return Finding(
        'clock', WRONG, f'the clock of Redis is {abs(ahead_s):.1f} s {way} that of this machine: ages are wrong',
        'let NTP set both clocks (timedatectl set-ntp true)',
    )  # fmt: skip


def workers(alive: Sequence[Mapping[str, str]], own_version: str, command: str) -> Iterator[Finding]:
    if not alive:
        yield Finding('workers', NOTE, 'none is running', f'start one with: {command} worker')
        return
    ids = ', '.join(worker['id'] for worker in alive[:5]) + (', …' if len(alive) > 5 else '')
    yield Finding('workers', OK, f'{len(alive)} alive: {ids}')
    others = sorted({worker.get('version', '?') for worker in alive} - {own_version})
    if others:
        text = f'pytask {", ".join(others)} at work, {own_version} here'
        yield Finding('workers', NOTE, text, 'fine during a deploy; else give all the same version')
    for worker in alive:
        yield from _worker(worker)


def _worker(worker: Mapping[str, str]) -> Iterator[Finding]:
    if troubles := worker.get('troubles'):
        yield Finding('workers', WRONG, f'{worker["id"]}: {troubles}', 'its log says more')
    lag_ms = worker.get('lag_ms', '')
    if lag_ms.isdecimal() and int(lag_ms) >= LAGGING_MS:
        yield Finding(
            'workers', WRONG, f'{worker["id"]} lags {lag_ms} ms: something in it computes without yielding',
            'see `pytask workers` for who; move that to self.offload or another process',
        )  # fmt: skip


def files(soft: int, concurrency: int) -> Finding:
    text = f'{soft:,} open files allowed, {concurrency:,} runs at a time'
    if soft < 0 or soft >= concurrency:
        return Finding('files', OK, text if soft >= 0 else 'any number of open files allowed')
    return Finding(
        'files',
        WRONG,
        f'{text}: with a connection each they run out',
        f'ulimit -n {2 * concurrency} (systemd: LimitNOFILE=), or a lower --concurrency',
    )


def _unknown(check: str, right: str) -> Finding:
    return Finding(check, NOTE, 'not known', f'its user may not ask; let one ask who may (+{right.lower()})')
