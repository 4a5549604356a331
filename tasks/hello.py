"""hello-world: the smallest task, a decorated function.

Its parameters are the inputs, with their types and defaults; its return value is the output. Start a
worker in the folder that contains `tasks/`, with `pytask worker`, and then, from a shell::

    pytask run hello-world name=you

or from any language that speaks Redis, with an id of your own::

    HSET task-42 task hello-world data '{"name": "you"}'
    LPUSH new-task 42
    HGETALL task-42

It is still a function: `hello_world('you')` calls it, `hello_world.apply(name='you')` starts a run.
"""

from pytask import task


@task(demo={'name': 'world'})
def hello_world(name: str = 'world') -> str:
    """Greet someone. The task has the function's name, with dashes."""
    return f'hello {name}'
