"""Imports go down only: words ← store ← {client, worker} ← app ← doors."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / 'pytask'
WORDS = {
    'address',
    'handle',
    'hashes',
    'inbox',
    'states',
    'errors',
    'definition',
    'decorate',
    'prompt',
    'inputs',
    'kinds',
    'lookups',
    'misfits',
    'notgiven',
    'outputs',
    'params',
    'run',
    'messages',
    'registry',
    'settings',
    'sources',
    'clock',
    'cron',
    'hints',
    'hooks',
    'schedule',
    'shape',
    'timetable',
    'trigger',
    'zones',
    'resources',
    'signals',
    'steps',
    'telling',
}

CLIENT = {'client', 'launch', 'follow', 'commands', 'stack', 'talk', 'pauses', 'schedules', 'flows', 'machine'}
DOORS = {'__main__', 'cli', 'web', 'contrib', 'testing'}
LAYERS = WORDS | CLIENT | DOORS | {'', 'store', 'worker', 'builtin', 'app', 'embedded'}


def name_of(path):
    parts = path.relative_to(ROOT).with_suffix('').parts
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


# Samples are text here: what `pytask init` copies.
MODULES = {name_of(p): p for p in sorted(PACKAGE.rglob('*.py')) if PACKAGE / 'samples' not in p.parents}


class Imports(ast.NodeVisitor):
    """Collects what a module imports at runtime, and whether it does so inside a function."""

    def __init__(self):
        self.found = set()
        self.depth = 0

    def visit_If(self, node):
        if ast.unparse(node.test) != 'TYPE_CHECKING':
            self.generic_visit(node)
            return
        for part in node.orelse:
            self.visit(part)

    def visit_FunctionDef(self, node):
        self.depth += 1
        self.generic_visit(node)
        self.depth -= 1

    def visit_Import(self, node):
        self.found |= {(alias.name, self.depth > 0) for alias in node.names}

    def visit_ImportFrom(self, node):
        assert node.level == 0, 'imports are absolute'
        self.found.add((node.module, self.depth > 0))
        # `from pytask import x` may name a module
        self.found |= {
            (f'{node.module}.{alias.name}', self.depth > 0)
            for alias in node.names
            if f'{node.module}.{alias.name}' in MODULES
        }


@cache
def imports(module):
    visitor = Imports()
    visitor.visit(ast.parse(MODULES[module].read_text()))
    return visitor.found


def roots(module):
    return {name.split('.')[0] for name, _ in imports(module)}


def layer(name):
    return name.split('.')[1] if '.' in name else ''


def below(*layers):
    return [name for name in MODULES if layer(name) in layers]


def breaches(modules, allowed):
    """Return {module: imports of pytask's own modules that are not of the allowed layers}."""
    # The package itself names everything lazily, and stands for no layer.
    own = {module: {name for name, _ in imports(module) if name.startswith('pytask.')} for module in modules}
    wrong = {module: {name for name in names if layer(name) not in allowed} for module, names in own.items()}
    return {module: names for module, names in wrong.items() if names}


def who_imports(root):
    return {module for module in MODULES if root in roots(module)}


def test_every_module_has_a_layer():
    assert {layer(module) for module in MODULES} <= LAYERS


def test_every_word_is_a_module():
    assert set(below(*WORDS)) == {f'pytask.{word}' for word in WORDS}


def test_words_import_words_only():
    assert breaches(below(*WORDS), WORDS) == {}


def test_words_name_the_package_in_one_function_only():
    named = {
        module: is_inside for module in below(*WORDS) for name, is_inside in imports(module) if name == 'pytask'
    }
    # A bare task starts its runs through the default app.
    assert named == {'pytask.definition': True}


def test_the_store_imports_words_only():
    assert breaches(below('store'), {*WORDS, 'store'}) == {}


def test_the_client_stands_on_the_store_and_knows_no_worker():
    assert breaches(below(*CLIENT), {*WORDS, *CLIENT, 'store'}) == {}


def test_the_worker_knows_no_client_and_no_door():
    assert breaches(below('worker', 'builtin'), {*WORDS, 'store', 'worker', 'builtin'}) == {}


def test_only_the_store_imports_redis():
    assert who_imports('redis') <= set(below('store'))


def test_only_the_worker_and_the_doors_import_gevent():
    assert who_imports('gevent') <= set(below('worker', 'builtin', *DOORS))


def loaded(code):
    show = 'import sys; print(*sorted({"redis", "gevent"} & set(sys.modules)))'
    done = subprocess.run([sys.executable, '-c', f'{code}; {show}'], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_importing_pytask_loads_neither_redis_nor_gevent():
    assert loaded('import pytask') == []


def test_writing_a_task_loads_neither_redis_nor_gevent():
    assert loaded('from pytask import Run, State, Task, current_task, InputError') == []


def test_every_public_name_is_there_and_loads_no_gevent():
    assert loaded('import pytask; assert [getattr(pytask, name) for name in pytask.__all__]') == ['redis']


def test_an_unknown_public_name_is_an_attribute_error():
    import pytask

    with pytest.raises(AttributeError, match="module 'pytask' has no attribute 'Job'"):
        pytask.Job  # noqa: B018
