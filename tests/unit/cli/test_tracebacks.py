"""Tracebacks as `show` and `run` print them."""

from pytask.cli.output.tracebacks import folded

OWN = '  File "/srv/site/tasks/crawl.py", line 3, in start\n    fetch(url)\n    ^^^^^^^^^^\n'
REQUESTS = (
    '  File "/srv/venv/lib/python3.11/site-packages/requests/api.py", line 73, in get\n    return request(url)\n'
)
URLLIB = '  File "/usr/lib/python3.11/urllib/request.py", line 9, in open\n    raise URLError\n'
FROZEN = '  File "<frozen importlib._bootstrap>", line 1, in _load\n'
HEAD, END = 'Traceback (most recent call last):\n', 'urllib.error.URLError: no\n'


def test_frames_of_libraries_are_counted_and_named():
    assert folded(HEAD + OWN + REQUESTS + REQUESTS + URLLIB + FROZEN + END) == (
        HEAD + OWN + '  ... 4 frames of requests, urllib, importlib._bootstrap\n' + END.rstrip()
    )


def test_own_frames_stay_whole_wherever_they_are():
    assert folded(HEAD + REQUESTS + OWN + URLLIB + OWN + END) == (
        HEAD + '  ... 1 frame of requests\n' + OWN + '  ... 1 frame of urllib\n' + OWN + END.rstrip()
    )


def test_what_has_no_frame_of_the_author_stays_as_it_is():
    text = HEAD + REQUESTS + URLLIB + END
    assert folded(text) == text.rstrip()


def test_chains_notes_and_foreign_text_pass_through():
    chain = '\nDuring handling of the above exception, another exception occurred:\n\n'
    text = (
        HEAD
        + OWN
        + URLLIB
        + END
        + 'a note\n    indented'
        + chain
        + HEAD
        + OWN
        + '  [Previous line repeated 9 more times]\n'
        + END
    )
    assert folded(text) == text.rstrip().replace(URLLIB, '  ... 1 frame of urllib\n')
    assert folded('') == ''
    assert folded('no traceback\n    at all') == 'no traceback\n    at all'
