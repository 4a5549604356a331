"""The import graph of pytask/, imports for types and in functions included: `python tests/unit/imports.py`."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / 'pytask'


class Tie(NamedTuple):
    """One module imports another, of pytask's or not."""

    module: str
    imported: str
    is_for_types: bool
    is_inside: bool  # a function


def name_of(path):
    parts = path.relative_to(ROOT).with_suffix('').parts
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


# Samples are text here: what `pytask init` copies.
MODULES = {name_of(p): p for p in sorted(PACKAGE.rglob('*.py')) if PACKAGE / 'samples' not in p.parents}


def room(module):
    """Return the folder of pytask/ that a module stands in, as `store/connection`; '' for the root."""
    parts = MODULES[module].relative_to(PACKAGE).parts[:-1]
    return '/'.join(parts)


def package(module):
    return room(module).partition('/')[0]


class Imports(ast.NodeVisitor):
    def __init__(self, module):
        self.module, self.found = module, []
        self.is_for_types = self.is_inside = False

    def add(self, name):
        self.found.append(Tie(self.module, name, self.is_for_types, self.is_inside))

    def within(self, flag, nodes):
        before = getattr(self, flag)
        setattr(self, flag, True)
        for node in nodes:
            self.visit(node)
        setattr(self, flag, before)

    def visit_If(self, node):
        if ast.unparse(node.test) != 'TYPE_CHECKING':
            self.generic_visit(node)
            return
        self.within('is_for_types', node.body)
        for part in node.orelse:
            self.visit(part)

    def visit_FunctionDef(self, node):
        self.within('is_inside', ast.iter_child_nodes(node))

    def visit_Import(self, node):
        for alias in node.names:
            self.add(alias.name)

    def visit_ImportFrom(self, node):
        assert node.level == 0, f'{self.module}: imports are absolute'
        inner = [f'{node.module}.{alias.name}' for alias in node.names]
        modules = [name for name in inner if name in MODULES]
        for name in modules or [node.module]:
            self.add(name)


@cache
def ties_of(module):
    visitor = Imports(module)
    visitor.visit(ast.parse(MODULES[module].read_text()))
    return tuple(visitor.found)


def ties():
    """Return what pytask's modules import of each other."""
    return [tie for module in MODULES for tie in ties_of(module) if tie.imported in MODULES]


def circles(edges):
    """Return the groups of two or more nodes that reach each other."""
    after = {}
    for one, other in edges:
        after.setdefault(one, set()).add(other)

    def reached(node):
        found, ahead = set(), [node]
        while ahead:
            new = after.get(ahead.pop(), set()) - found
            found |= new
            ahead += new
        return found

    reach = {node: reached(node) for node in after}
    groups = {frozenset(other for other in reach[node] if node in reach.get(other, ())) for node in after}
    return sorted(sorted(group) for group in groups if len(group) > 1)


def show():
    """Return the graph of packages as text: what each imports of which, and how often."""
    counts = {}
    for tie in ties():
        one, other = package(tie.module) or '(root)', package(tie.imported) or '(root)'
        if one != other:
            counts.setdefault(one, {}).setdefault(other, 0)
            counts[one][other] += 1
    return '\n'.join(
        f'{one:10} → ' + ', '.join(f'{other} {n}' for other, n in sorted(others.items()))
        for one, others in sorted(counts.items())
    )


if __name__ == '__main__':
    print(show())
    print('circles of files:', *circles([(t.module, t.imported) for t in ties()]), sep='\n  ')
