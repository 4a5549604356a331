"""The house, by folder: which package may import which, imports for types included. `imports.py` reads them."""

import ast
import subprocess
import sys

import pytest
from imports import MODULES, circles, package, room, show, ties, ties_of

SUBJECTS = {'core', 'net', 'errors', 'config', 'schema', 'schedules', 'embedded'}
KERNEL = SUBJECTS | {'authoring', 'flows', 'store'}
EVERYTHING = KERNEL | {'client', 'builtin', 'worker', 'app', 'web', 'cli', 'contrib', 'params', ''}
# What each package may import besides itself: what lies below it. Neither client nor worker knows the other.
BELOW = {
    'errors': set(),
    'core': {'errors'},
    'net': {'core', 'errors'},
    'config': {'core', 'net', 'errors'},
    'schema': {'core', 'errors'},
    'schedules': {'core', 'errors'},
    'embedded': {'core', 'errors'},
    'params': {'schema'},
    'authoring': {'core', 'errors', 'schema'},
    'flows': {'core', 'errors', 'schema', 'authoring'},
    'store': SUBJECTS,
    'client': KERNEL,
    'builtin': KERNEL,
    'worker': KERNEL | {'builtin'},
    'app': KERNEL | {'client', 'builtin'},
    'web': KERNEL - {'store'} | {'client', 'app'},
    'cli': EVERYTHING,
    'contrib': EVERYTHING,
    '__main__': EVERYTHING,
    '': EVERYTHING,  # pytask/__init__.py: the public names, on first use
}
GEVENT = {'worker', 'builtin', 'contrib', '__main__'}
GEVENT_FILES = {'pytask.net.http_server', 'pytask.web.server'}


def layer(module):
    """Return the package of a module, or the module itself where it stands in the root."""
    return package(module) or module.removeprefix('pytask').lstrip('.')


def test_every_package_has_its_place():
    assert {layer(module) for module in MODULES} == set(BELOW)


def test_a_package_imports_only_what_lies_below_it():
    wrong = {
        (tie.module, tie.imported)
        for tie in ties()
        if layer(tie.imported) not in BELOW[layer(tie.module)] | {layer(tie.module)}
    }
    assert wrong == set()


def test_only_the_store_imports_redis():
    assert {package(module) for module in who_imports('redis')} == {'store'}


def test_only_the_engine_and_doors_import_gevent():
    outside = {m for m in who_imports('gevent') if package(m) not in GEVENT and room(m) != 'cli/dev'}
    assert {m for m in outside if m != 'pytask.__main__'} == GEVENT_FILES


def who_imports(root):
    return {module for module in MODULES for tie in ties_of(module) if tie.imported.partition('.')[0] == root}


def test_the_root_holds_what_users_import():
    assert {module for module in MODULES if not room(module)} == {
        'pytask',
        'pytask.__main__',
        'pytask.errors',
        'pytask.params',
    }


def test_no_package_is_named_as_a_public_name():
    import pytask

    assert not {package(module) for module in MODULES} & set(pytask.__all__)


def test_no_module_is_named_as_one_of_the_standard_library():
    names = {module.rpartition('.')[2] for module in MODULES} - {'__main__'}
    assert names & set(sys.stdlib_module_names) == set()


def test_no_class_name_stands_twice():
    named = [
        node.name
        for path in MODULES.values()
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef)
    ]
    assert {name for name in named if named.count(name) > 1} == set()


def test_no_files_make_a_circle():
    assert circles((tie.module, tie.imported) for tie in ties()) == []


def test_packages_make_no_circle():
    print(show())
    edges = {(layer(t.module), layer(t.imported)) for t in ties()}
    assert circles((one, other) for one, other in edges if one and other) == []


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
