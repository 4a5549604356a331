"""The text of an error on the command line: what is wrong, and below it what to do."""

from __future__ import annotations

import re

from pytask.errors import ConfigError, PytaskError, Unavailable

# By a pattern in the first line of what Redis said; the first that fits.
_REMEDIES = {
    'maxmemory': (
        'make room:             {pytask} rm --state SUCCESS --all',
        'or raise the limit:    redis-cli CONFIG SET maxmemory 1gb',
    ),
    "password|its user '": ('log in:                PYTASK_REDIS=redis://user:password@host:6379/0',),
    '': (
        'use the built-in one:  pytask dev',
        'or name yours:         --redis redis://host:6379/0   or PYTASK_REDIS=...',
    ),
}


def told(error: PytaskError) -> str:
    """Return all lines of an error."""
    if isinstance(error, ConfigError):
        from pytask.cli.finding.import_errors import explain

        return explain(error)
    if not isinstance(error, Unavailable) or '\n  - ' in str(error):
        return str(error)
    from pytask.cli.options import program

    lines = next(lines for pattern, lines in _REMEDIES.items() if re.search(pattern, str(error)))
    return '\n  - '.join([str(error), *(line.format(pytask=program()) for line in lines)])
