"""A task that uses the database. `python manage.py migrate` first, then `pytask dev` here, and beside it:

    pytask run count-users

A view starts it and reads it so; the two meet in Redis alone, that of `pytask dev` in this folder, or the one
that PYTASK_REDIS names for both:

    from pytask import PyTask

    tasks = PyTask()

    def start(request):
        return JsonResponse({'id': tasks.client.start('count-users').id}, status=202)

    def read(request, run_id):
        run = tasks.client.get(run_id)      # raises pytask.NotFound
        return JsonResponse({'state': run.state, 'output': run.output})

Where a transaction is open, start the run from `transaction.on_commit`: a worker may be faster than the commit.
"""

from django.contrib.auth import get_user_model

from . import DjangoTask


class CountUsers(DjangoTask):
    """Count the users of this site."""

    def start(self) -> int:
        return get_user_model().objects.count()
