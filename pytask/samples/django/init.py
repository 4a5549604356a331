"""Tasks of this Django project. This module is imported before any of them, and sets Django up."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import django
from django.apps import apps
from django.db import connections

from pytask import Task

os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'SETTINGS')
if not apps.ready:  # it is ready if a view imports a task
    django.setup()


class DjangoTask(Task):
    """A base for tasks that use the database: a run's connections are closed with it."""

    @staticmethod
    @contextmanager
    def provide_context() -> Iterator[None]:
        try:
            yield
        finally:
            connections.close_all()
