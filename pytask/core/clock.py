"""The only reader of clocks.

Times stored in Redis are Redis TIME; a worker's own clocks only measure spans. Leases are measured on
the boot-time clock, which keeps running while a machine sleeps: a laptop that wakes up after an hour must
not trust its leases. Wall time is only for ids and display.
"""

from __future__ import annotations

import math
import time

__all__ = ['boot_s', 'check_seconds', 'cpu_s', 'monotonic_s', 'wall_ms', 'wall_s']

_BOOT = getattr(time, 'CLOCK_BOOTTIME', time.CLOCK_MONOTONIC)

monotonic_s = time.monotonic
# CPU seconds used by all threads of this process.
cpu_s = time.process_time


def boot_s() -> float:
    """Seconds since boot, sleep included where the system can tell."""
    return time.clock_gettime(_BOOT)


def wall_s() -> float:
    """Unix seconds by this machine; never stored or compared."""
    return time.time()


def wall_ms() -> int:
    """Unix milliseconds by this machine."""
    return time.time_ns() // 1_000_000


def check_seconds(name: str, value: float | None) -> None:
    """Raise ValueError unless `value` is None or a finite number of seconds, 0 or more."""
    if value is not None and not 0 <= value < math.inf:
        raise ValueError(f'{name} must be 0 or more seconds, not {value!r}')
