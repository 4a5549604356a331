"""Two tasks to begin with. Start `pytask dev` in the folder above, and in another terminal there:

    pytask run hello-world name=you      # start a run, follow it, print its output
    pytask start count-up to=1000        # start one that takes its time; prints its id
    pytask show ID                       # how far it is
    pytask stop ID

Every .py file in this folder may hold tasks. `pytask tasks` lists them, with what they take.
"""

from pytask import Task, task


@task(demo={'name': 'world'})  # with a demo, `pytask dev` starts a first run by itself
def hello_world(name: str = 'world') -> str:
    """Greet a person."""
    # Parameters are the inputs. What is returned is the output: anything that JSON can say.
    return f'hello {name}'


class CountUp(Task):
    """Count, one number a second."""

    def __init__(self, to: int = 10) -> None:
        # `to=ten` on the command line never gets here: it is refused, since it is not an int.
        if to < 1:
            raise self.Error('there is nothing to count')  # the run ends as ERROR, with this text
        self.to = to

    def start(self) -> int:
        # Runs beside thousands of others in one process: waiting costs nothing, computing holds all of them up.
        for number in range(1, self.to + 1):
            self.sleep(1)
            self.progress(number, target=self.to)
        return self.to
