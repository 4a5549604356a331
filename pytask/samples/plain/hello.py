"""Two tasks to start with. Run `pytask dev` in the folder above, and there, in another terminal:

    pytask run hello-world name=you      # start a run, follow it, print its output
    pytask start count-up to=1000        # start a long one; prints its id
    pytask show ID                       # how far it is
    pytask stop ID

Every .py file in this folder can have tasks. `pytask tasks` lists them with their inputs.
"""

from pytask import Task, task


@task(demo={'name': 'world'})  # with a demo, `pytask dev` starts a first run by itself
def hello_world(name: str = 'world') -> str:
    """Greet someone."""
    # Parameters are the inputs. The return value is the output: anything that JSON can express.
    return f'hello {name}'


class CountUp(Task):
    """Count, one number a second."""

    def __init__(self, to: int = 10) -> None:
        # `to=ten` on the command line never gets here: it is refused, since it is not an int.
        if to < 1:
            raise self.Error('there is nothing to count')  # the run ends as ERROR, with this text
        self.to = to

    def start(self) -> int:
        # It shares a process with thousands of runs: waiting costs nothing, computing delays all of them.
        for number in range(1, self.to + 1):
            self.sleep(1)
            self.progress(number, target=self.to)
        return self.to
