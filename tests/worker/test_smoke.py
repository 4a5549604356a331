from support import SOON_S

from pytask import State


def test_a_run_goes_from_start_to_a_recorded_outcome(app, worker):
    @app.task
    def hello(name: str = 'world'):
        return f'hello {name}'

    worker()
    run = app.client.start(hello, {'name': 'you'}).wait(timeout=SOON_S)
    assert (run.state, run.output) == (State.SUCCESS, 'hello you')
