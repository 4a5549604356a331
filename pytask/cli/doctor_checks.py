"""What `doctor` concludes from what it sees: facts in, findings out. Each problem has a remedy of one line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

OK, NOTE, WRONG = 'ok', 'note', 'wrong'
OLDEST = (6, 2)  # BLMOVE and ZMSCORE came with it
SLOW_MS = 20.0
SKEW_S = 1.0
LAGGING_MS = 500
FULL = 0.9


class Finding(NamedTuple):
    """One line of the report. A `note` may be intended; anything `wrong` makes the exit code 1."""

    check: str
    level: str
    text: str
    remedy: str = ''


def _wrong(check: str, text: str, remedy: str) -> Finding:
    return Finding(check, WRONG, text, remedy)


def _unknown(check: str, command: str) -> Finding:
    return Finding(check, NOTE, f'unknown: this user may not call {command}', f'allow it: +{command.lower()}')


def server(info: Mapping[str, str], url: str) -> Iterator[Finding]:
    if not info:
        yield Finding('redis', OK, f'{url} answers; its version is unknown, since this user may not call INFO')
        return
    name, version = 'Redis', info.get('redis_version', '?')
    if info.get('server_name') == 'valkey':
        name, version = 'Valkey', info.get('valkey_version', version)
    if tuple(map(int, re.findall(r'\d+', version)[:2])) < OLDEST:
        yield _wrong('redis', f'{name} {version} at {url} is too old', 'install Redis 6.2 or newer, or Valkey')
    else:
        yield Finding('redis', OK, f'{name} {version} at {url}')
    if info.get('role') == 'slave':
        yield _wrong('role', 'this server is a read-only replica', 'use the URL of the primary or the sentinels')


def latency(median_ms: float) -> Finding:
    text = f'{median_ms:.2f} ms per round trip'
    if median_ms <= SLOW_MS:
        return Finding('latency', OK, text)
    return _wrong('latency', f'{text}: it delays each claim and each outcome', 'put the workers close to Redis')


def persistence(info: Mapping[str, str], config: Mapping[str, str]) -> Iterator[Finding]:
    if 'aof_enabled' not in info:
        yield _unknown('persistence', 'INFO')
        return
    for name, what in (('aof_last_write_status', 'AOF'), ('rdb_last_bgsave_status', 'snapshot')):
        if info.get(name) == 'err':
            yield _wrong('persistence', f'writing the last {what} failed', "check the disk and the server's log")
    fsync = config.get('appendfsync', '')
    if info['aof_enabled'] != '1':
        lost = 'everything since the last snapshot' if config.get('save', '?') else 'everything'
        text, setting = f'no AOF: a server restart loses {lost}', 'appendonly yes'
    elif fsync == 'no':
        # Linux writes dirty pages out after 30 s.
        text, setting = 'AOF with appendfsync no: a machine crash loses half a minute', 'appendfsync everysec'
    else:
        yield Finding('persistence', OK, f'AOF{", appendfsync " + fsync if fsync else ""}')
        return
    yield _wrong('persistence', text, f'CONFIG SET {setting}, and the same in redis.conf')


def memory(info: Mapping[str, str]) -> Iterator[Finding]:
    policy = info.get('maxmemory_policy')
    if policy is None:
        yield _unknown('memory', 'INFO')
        return
    text = f'maxmemory-policy {policy}'
    if policy == 'noeviction':
        yield Finding('memory', OK, text)
    else:
        remedy = 'CONFIG SET maxmemory-policy noeviction, and the same in redis.conf'
        yield _wrong('memory', f'{text}: Redis deletes runs when its memory is full', remedy)
    used, most = int(info.get('used_memory', 0)), int(info.get('maxmemory', 0))
    if most and used > FULL * most:
        remedy = 'raise maxmemory, or keep ended runs for less time: keep_success, keep_ended'
        yield _wrong('memory', f'{used / most:.0%} of maxmemory is used', remedy)


def keys(foreign: Sequence[tuple[str, str, str]] | None) -> Iterator[Finding]:
    if foreign is None:
        yield _unknown('keys', 'TYPE')
        return
    remedy = 'another program uses this database: choose another database, or a --prefix'
    for key, kind, ours in foreign:
        yield _wrong('keys', f"{key} is a {kind}, but pytask's is a {ours}", remedy)
    if not foreign:
        yield Finding('keys', OK, "no other program uses pytask's keys")


def rights(lacking: Sequence[str]) -> Finding:
    if not lacking:
        return Finding('rights', OK, 'this user has all rights that pytask needs')
    return _wrong('rights', f'this user lacks: {", ".join(lacking)}', 'use the users.acl line in docs/redis.rst')


def clock(ahead_s: float) -> Finding:
    if abs(ahead_s) <= SKEW_S:
        return Finding('clock', OK, f'{abs(ahead_s) * 1000:.0f} ms between this machine and Redis')
    way = 'ahead of' if ahead_s > 0 else 'behind'
    text = f"the clock of Redis is {abs(ahead_s):.1f} s {way} this machine's: ages are shown wrong"
    return _wrong('clock', text, 'synchronize both clocks with NTP (timedatectl set-ntp true)')


def workers(alive: Sequence[Mapping[str, str]], own_version: str, command: str) -> Iterator[Finding]:
    if not alive:
        yield Finding('workers', NOTE, 'none is running', f'start one with: {command} worker')
        return
    ids = ', '.join(worker['id'] for worker in alive[:5]) + (', …' if len(alive) > 5 else '')
    yield Finding('workers', OK, f'{len(alive)} alive: {ids}')
    others = sorted({worker.get('version', '?') for worker in alive} - {own_version})
    if others:
        text = f'pytask {", ".join(others)} in workers, {own_version} here'
        yield Finding('workers', NOTE, text, 'normal during a deploy; else install the same version everywhere')
    for worker in alive:
        yield from _worker(worker, command)


def _worker(worker: Mapping[str, str], command: str) -> Iterator[Finding]:
    if troubles := worker.get('troubles'):
        yield _wrong('workers', f'{worker["id"]}: {troubles}', 'read its log')
    lag_ms = worker.get('lag_ms', '')
    if lag_ms.isdecimal() and int(lag_ms) >= LAGGING_MS:
        text = f'{worker["id"]} lags {lag_ms} ms: a task blocks its event loop'
        yield _wrong('workers', text, f'`{command} workers` shows which; use self.offload, or another process')


def files(soft: int, concurrency: int) -> Finding:
    text = f'{soft:,} open files allowed, {concurrency:,} runs at a time'
    if soft < 0 or soft >= concurrency:
        return Finding('files', OK, text if soft >= 0 else 'any number of open files allowed')
    remedy = f'ulimit -n {2 * concurrency} (systemd: LimitNOFILE=), or a lower --concurrency'
    return _wrong('files', f'{text}: too few if each run opens a connection', remedy)
