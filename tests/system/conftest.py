"""Fixtures of several files here."""

from matrix import inside, matrix_app, matrix_worker

__all__ = ['inside', 'matrix_app', 'matrix_worker']
