"""Settings of Sphinx; `bin/docs` builds."""

import pytask

project = 'pytask'
project_copyright = 'MIT licence'
version = release = pytask.__version__
extensions = ['sphinx.ext.autodoc']
exclude_patterns = ['html', 'generated']
default_role = 'code'
highlight_language = 'text'
html_theme = 'furo'
html_title = f'pytask {release}'
html_show_sphinx = False
html_copy_source = False
autodoc_member_order = 'bysource'
autodoc_typehints = 'signature'
