"""The words: what is written for people is plain English. Keys, fields, events and reasons keep their own words."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Idioms that a native reader stumbles over, and what to write instead.
WORDS = {
    r'anew': 'again',
    r'tells? of': 'describes, covers, names',
    r'told of': 'told about',
    r'foreign hands': 'other clients',
    r'stands? in': 'is in, is stored in',
    r'so long as': 'while, as long as',
    r'nobody|somebody|whoever': 'name the subject, or use the passive',
    r'heeds?': 'obeys, respects',
    r'as ever': 'as always, or nothing',
    r'of (?:his|her) own': 'of its own',
    r'(?<!there )(?:is|are) no [a-z-]+(?=[.,;:)\n])': 'is not a …',
    r'slips? of the pen': 'typo',
}
PATTERN = re.compile(r'\b(?:' + '|'.join(f'(?:{word})' for word in WORDS) + r')\b', re.IGNORECASE)


def texts():
    found = [ROOT / 'README.rst', *(ROOT / 'docs').glob('*.rst'), *(path for path in (ROOT / 'bin').iterdir())]
    for kind in ('*.py', '*.lua', '*.js', '*.html'):
        found += [*(ROOT / 'pytask').rglob(kind), *(ROOT / 'tasks').rglob(kind)]
    return sorted(path for path in found if path.is_file())


@pytest.mark.parametrize('path', texts(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_text_has_none_of_the_words_that_readers_stumble_over(path):
    text = path.read_text()
    found = [f'{text.count(chr(10), 0, m.start()) + 1}: {m[0]!r}' for m in PATTERN.finditer(text)]
    assert not found, f'{path.relative_to(ROOT)}: see WORDS for what to write instead'
