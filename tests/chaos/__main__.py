"""Chaos: `bin/chaos --seconds 60 --seed 7 --workers 3`. Kills, freezes and cuts everything, then counts.

Exit 0 where nothing was lost, run twice at a time, or recorded twice; 1 where something was; 130 after Ctrl-C.
"""

import argparse
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from chaos import Chaos
from report import print_histories, print_table, progress


def settings():
    parser = argparse.ArgumentParser(prog='bin/chaos', description=__doc__)
    parser.add_argument('--seconds', type=float, default=60, help='how long faults happen; resting comes after')
    parser.add_argument('--seed', type=int, default=1, help='what happens, and to whom')
    parser.add_argument('--workers', type=int, default=3)
    parser.add_argument('--lease', type=float, default=2.0)
    parser.add_argument('--rest', type=float, default=300.0, help='seconds in which all must end after the faults')
    parser.add_argument('--rate', type=float, default=60.0, help='runs started a second')
    parser.add_argument(
        '--spare', type=int, default=0, help='workers never killed: shows what leaks in a long life'
    )
    parser.add_argument(
        '--keep', action='store_true', help='keep the folder of logs; kept anyhow when all is not well'
    )
    return parser.parse_args()


def main():
    given = settings()
    folder = Path(tempfile.mkdtemp(prefix='pytask-chaos-'))
    print(f'{" ".join(f"{name}={value}" for name, value in vars(given).items())}  folder {folder}', flush=True)
    # Also where the shell has made a background job ignore it; SIGTERM alike.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    chaos = Chaos(given, folder, progress)
    code, hashes = 0, {}
    try:
        chaos.run()
        hashes = {run_id: chaos.ask('HGETALL', f'task-{run_id}') for _, run_id in chaos.violations()}
    except KeyboardInterrupt:
        print('\ninterrupted', flush=True)
        code = 130
    finally:
        chaos.end()
        print_table(chaos)
    if chaos.violations():
        code = 1
        print_histories(chaos, hashes)
    if code == 0 and not given.keep:
        shutil.rmtree(folder)
    else:
        print(f'\nlogs: {folder}')
    print(f'\n{"FAILED" if code == 1 else "interrupted" if code else "ok"}: seed {given.seed}')
    return code


if __name__ == '__main__':
    sys.exit(main())
