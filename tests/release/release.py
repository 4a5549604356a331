"""What `bin/release --dry-run` does: builds in dist/, looks into what it built, installs it elsewhere and tries it.

Nothing is published: that is done by hand, with the files that this has proved.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
DIST = ROOT / 'dist'
# What a new user does first, by the installed wheel: run by its Python, its `pytask` on PATH, in an empty folder.
FIRST_HOUR = [ROOT / 'tests/system/first_hour.py', '--here']
# What no archive may hold, wherever it lies.
PRIVATE = re.compile(r'(^|/)(\.env|\.git|\.venv|\.pytask|__pycache__|node_modules)(/|$)|\.pyc$')
USAGE = (
    'bin/release: give --dry-run, with --dirty if need be; then, to publish what it has built: twine upload dist/*'
)


class Refused(Exception):
    """The first line says what to do."""


def main(words):
    if '--dry-run' not in words or set(words) - {'--dry-run', '--dirty'}:
        print(USAGE, file=sys.stderr)
        return 2
    try:
        release(is_dirty_fine='--dirty' in words)
    except Refused as error:
        print(f'bin/release: {error}', file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f'bin/release: this failed: {" ".join(map(str, error.cmd))}', file=sys.stderr)
        return 1
    return 0


def release(*, is_dirty_fine):
    if not is_dirty_fine:
        refuse_dirt()
    version = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']['version']
    say(check_version(version, (ROOT / 'CHANGELOG.rst').read_text(), (ROOT / 'pytask/core/version.py').read_text()))
    wheel, sdist = build(version)
    with zipfile.ZipFile(wheel) as packed:
        look_into_wheel(packed.namelist())
    with tarfile.open(sdist) as packed:
        refuse_private(packed.getnames())
    run(sys.executable, '-m', 'twine', 'check', '--strict', wheel, sdist)
    try_out(wheel)
    say(f'good: {wheel.relative_to(ROOT)} {sdist.relative_to(ROOT)}')


def refuse_dirt():
    changed = subprocess.run(
        ['git', 'status', '--porcelain'], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    if changed:
        raise Refused(f'commit first, or say --dirty; not committed:\n{changed.rstrip()}')


def check_version(version, changelog, package):
    """Return what is to be said of the version. Raises Refused where the files do not agree."""
    if f"VERSION = '{version}'" not in package:
        raise Refused(f'pyproject.toml says {version}, and pytask/core/version.py another VERSION')
    head = re.search(r'^(.+)\n-{3,}$', changelog, re.MULTILINE)[1].strip()
    if head == 'Unreleased':
        return f'{version}; CHANGELOG.rst says Unreleased: before it is published its head must say {version}'
    if head.split()[0] != version:
        raise Refused(f'pyproject.toml says {version}, and the head of CHANGELOG.rst {head}')
    return version


def build(version):
    """Build the sdist, and the wheel from that; return both."""
    for old in DIST.glob('pytaskd-*'):
        old.unlink()
    run(sys.executable, '-m', 'build', '--no-isolation', '--outdir', DIST, ROOT, quiet=True)
    return DIST / f'pytaskd-{version}-py3-none-any.whl', DIST / f'pytaskd-{version}.tar.gz'


def look_into_wheel(names):
    foreign = [name for name in names if not re.match(r'(pytask|pytaskd-[\w.]+\.dist-info)/', name)]
    refuse_private(names)
    if foreign:
        raise Refused(f'the wheel is to hold pytask/ alone, and has: {", ".join(foreign[:5])}')
    missing = [path for path in packaged() if path not in names]
    if missing:
        raise Refused(f'the wheel lacks: {", ".join(missing[:5])}')


def packaged():
    """Return what git knows of the package, and what is new there."""
    words = ['git', 'ls-files', '--cached', '--others', '--exclude-standard', 'pytask']
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split('\n')
    return [path for path in listed if path and (ROOT / path).is_file()]


def refuse_private(names):
    found = [name for name in names if PRIVATE.search(name)]
    if found:
        raise Refused(f'not to be published: {", ".join(found[:5])}')


def try_out(wheel):
    """Install the wheel in an environment and a folder of their own, and do there what a new user does first."""
    with tempfile.TemporaryDirectory(prefix='pytask release ') as temporary:
        scripts, empty = Path(temporary) / 'venv' / 'bin', Path(temporary) / 'empty'
        empty.mkdir()
        venv.create(scripts.parent, with_pip=True)
        run(scripts / 'python', '-m', 'pip', 'install', '-q', '--disable-pip-version-check', f'{wheel}[embedded]')
        plain = {key: value for key, value in os.environ.items() if not key.startswith(('PYTASK_', 'PYTHON'))}
        path = f'{scripts}{os.pathsep}{os.environ["PATH"]}'
        run(scripts / 'python', *FIRST_HOUR, cwd=empty, env=plain | {'PATH': path})


def run(*words, quiet=False, **more):
    say('$ ' + ' '.join(map(str, words)))
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL if quiet else None, **more)


def say(text):
    print(text, flush=True)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
