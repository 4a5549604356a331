"""A task that uses the database. Run `python manage.py migrate`, then `pytask dev`, and in another terminal:

    pytask run count-users

These views start it and read it. Site and worker share only Redis: that of `pytask dev` in this folder, or the one
in PYTASK_REDIS:

    from pytask import PyTask

    tasks = PyTask()

    def start(request):
        return JsonResponse({'id': tasks.client.start('count-users').id}, status=202)

    def read(request, run_id):
        run = tasks.client.get(run_id)      # raises pytask.NotFound
        return JsonResponse({'state': run.state, 'output': run.output})

Inside a transaction, start the run from `transaction.on_commit`: a worker may be faster than the commit.
"""

from django.contrib.auth import get_user_model

from . import DjangoTask


class CountUsers(DjangoTask):
    """Count the users of this site."""

    def start(self) -> int:
        return get_user_model().objects.count()
