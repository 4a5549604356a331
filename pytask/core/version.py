"""The version of this pytask; the build compares it with pyproject.toml."""

VERSION = '0.1.0'
