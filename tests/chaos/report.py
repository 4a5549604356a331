"""What a chaos run has to say: progress, the table, and the history of each run that went wrong."""

import sys
from collections import Counter

from gauge import at_tenth

MOST_HISTORIES, MOST_LINES = 8, 60
ODD = ('Traceback', 'crashed', 'ignores every', 'keeps crashing', 'could not be interrupted')
# What is always in the table, also where there was none.
KINDS = ('overlap', 'begun twice', 'second outcome', 'lost', 'vanished', 'poison', 'wrong end', 'not fenced',
         'ran after stop')  # fmt: skip


def progress(chaos):
    ledger, wrong = chaos.ledger, chaos.violations()
    numbers = {
        'accepted': len(ledger.entries), 'open': ledger.count_open(), 'attempts': chaos.journal.attempts,
        'faults': sum(chaos.faults.counts.values()), 'violations': len(wrong),
    }  # fmt: skip
    counts = '  '.join(f'{name} {number:,}' for name, number in numbers.items())
    line = f'{chaos.elapsed_s():6.0f} s  {chaos.phase:8}  {counts}'
    is_terminal = sys.stdout.isatty()
    print(f'\r{line}\x1b[K' if is_terminal else line, end='' if is_terminal else '\n', flush=True)
    for kind, run_id in [key for key in wrong if key not in chaos.told][:MOST_HISTORIES]:
        print(f'         {kind}: {run_id}: {wrong[kind, run_id]}', flush=True)
    chaos.told |= wrong.keys()


def table(chaos):
    """Yield the rows of the result."""
    ledger, journal = chaos.ledger, chaos.journal
    wrong = Counter(kind for kind, _ in chaos.violations())
    ended = ', '.join(f'{state} {n:,}' for state, n in sorted(ledger.ended.items()))
    yield 'accepted', f'{len(ledger.entries):,} (start repeated {chaos.submitter.repeated} times)'
    yield 'ended', f'{ended}; open {ledger.count_open():,}'
    yield 'commands', ', '.join(f'{name} {n:,}' for name, n in chaos.meddler.counts.items())
    yield 'faults', ', '.join(f'{name} {n}' for name, n in sorted(chaos.faults.counts.items()))
    yield 'attempts', f'{journal.attempts:,} in {journal.lines:,} lines of the journal'
    yield 'events', f'{chaos.recorder.events:,} heard, {chaos.recorder.gaps - 1} gaps'
    for kind in (*KINDS, *sorted(set(wrong) - set(KINDS))):
        yield NAMES.get(kind, kind), f'{wrong[kind]}'
    yield 'rest', f'{chaos.rest_s:.1f} s after the last fault'
    yield 'waking', waking(journal)
    possible_s = max(1, len(ledger.residents)) * chaos.elapsed_s()
    yield 'residents', f'{len(ledger.residents)}, alive {100 * journal.residents_s / possible_s:.0f} % of the time'
    for kept in (*chaos.workers, chaos.redis):
        yield (
            kept.name,
            'ended ' + (', '.join(f'{n} times {code}' for code, n in sorted(kept.ends.items())) or 'never'),
        )
    yield 'odd log lines', ', '.join(f'{word} {n}' for word, n in odd_lines(chaos).items()) or 'none'
    yield from gauges(chaos.gauge)
    yield 'machine', f'longest stall of the harness {chaos.longest_stall_s:.2f} s'


NAMES = {'overlap': 'overlaps', 'second outcome': 'second outcomes', 'poison': 'innocents called poison'}


def waking(journal):
    seconds, run_id = journal.longest_waking
    which = f' (run {run_id})' if run_id else ''
    return (
        f'{len(journal.wakings)} overlaps after SIGCONT, the longest {seconds * 1000:.0f} ms{which}; '
        f'allowed {journal.waking_s * 1000:.0f} ms'
    )


def gauges(gauge):
    for name, samples in ((f'oldest {gauge.oldest_name}', gauge.oldest), ('redis', gauge.server)):
        if samples:
            seconds = samples[-1].at - samples[0].at
            yield name, f'at 10 % {at_tenth(samples)}; at 100 % {samples[-1]} ({seconds:.0f} s)'


def odd_lines(chaos):
    found = Counter()
    for worker in chaos.workers:
        path = chaos.folder / f'{worker.name}.log'
        with path.open(errors='replace') if path.exists() else [] as lines:
            for line in lines:
                found.update(word for word in ODD if word in line)
    return found


def print_table(chaos):
    print('\n')
    for name, text in table(chaos):
        print(f'{name:24} {text}')


def print_histories(chaos, hashes):
    wrong = chaos.violations()
    for kind, run_id in list(wrong)[:MOST_HISTORIES]:
        print(f'\n{kind}: {run_id}: {wrong[kind, run_id]}')
        print(f'  hash {hashes.get(run_id)}')
        for line in history(chaos.folder, run_id):
            print(f'  {line}')
    if len(wrong) > MOST_HISTORIES:
        print(f'\nand {len(wrong) - MOST_HISTORIES} more, see {chaos.folder}')


def history(folder, run_id):
    """Return what stands about a run in the journal and among the events, by time, with the faults around it."""
    lines = [*_about(folder / 'journal', run_id, 0), *_about(folder / 'events', run_id, 1)]
    lines = sorted(_shortened(lines))
    if not lines:
        return []
    first, last = lines[0][0] - 2, lines[-1][0] + 2
    with (folder / 'chaos.log').open() as faults:
        apart = [line.split(' ', 1) for line in faults]
    lines += [(float(at), f'  * {text.strip()}') for at, text in apart if first <= float(at) <= last]
    return [f'{at:.3f} {text}' for at, text in sorted(lines)[-MOST_LINES:]]


def _about(path, run_id, place):
    if not path.exists():
        return
    with path.open(errors='replace') as lines:
        for line in lines:
            parts = line.split()
            if len(parts) > 2 and parts[place].removesuffix('-control') == run_id:
                yield float(parts[3 if place == 0 else 0]), line.strip()


def _shortened(lines):
    """Leave out what says `still` between two that say so."""
    kept = list(lines)
    for at, (when, text) in enumerate(kept):
        is_inside = 0 < at < len(kept) - 1 and all(kept[at + d][1].endswith(' still') for d in (-1, 0, 1))
        if not is_inside:
            yield when, text
