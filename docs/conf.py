"""Settings of Sphinx; `bin/docs` builds."""

import re

from docutils import nodes
from sphinx.application import Sphinx

import pytask

project = 'pytask'
project_copyright = 'MIT licence'
version = release = pytask.__version__
exclude_patterns = ['html']
default_role = 'code'
highlight_language = 'text'
html_theme = 'furo'
html_title = f'pytask {release}'
html_show_sphinx = False
html_copy_source = False


def setup(app: Sphinx) -> None:
    app.connect('doctree-read', link_pages)


def link_pages(_: Sphinx, tree: nodes.document) -> None:
    """Let links to `tasks.rst` lead to tasks.html: on GitHub, links between pages name the files."""
    for link in tree.findall(nodes.reference):
        if 'refuri' in link:
            link['refuri'] = re.sub(r'^([\w-]+)\.rst(?=#|$)', r'\1.html', link['refuri'])
