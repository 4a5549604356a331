"""A site with a task: one view starts a run, another reads it.

    pytask dev                                      # a Redis and a worker, in a terminal of its own
    flask run                                       # then the site, in another

    curl localhost:5000/greetings -d name=you       # {"id": "..."}
    curl localhost:5000/greetings/ID                # {"state": "SUCCESS", "output": "hello you", ...}

Site and worker share only Redis: that of `pytask dev` in this folder, or the one in PYTASK_REDIS.
Every run has `app.app_context()`, also those of tasks in ./tasks. In production, `pytask worker` finds this app as
`flask run` does; or call `worker.start()` at the end of this file to run a worker beside the site.
"""

from flask import Flask, abort, current_app, jsonify, request
from flask.typing import ResponseReturnValue

from pytask import NotFound
from pytask.contrib.flask.extension import BackgroundTaskWorker

app = Flask(__name__)
app.config['GREETING'] = 'hello'
worker = BackgroundTaskWorker(app)


@worker.define_task
def greet(name: str = 'world') -> str:
    return f'{current_app.config["GREETING"]} {name}'


@app.post('/greetings')
def start() -> ResponseReturnValue:
    run = greet.apply(name=request.form.get('name', 'world'))
    return jsonify(id=run.id), 202


@app.get('/greetings/<run_id>')
def read(run_id: str) -> ResponseReturnValue:
    try:
        run = worker.client.get(run_id)
    except NotFound:
        abort(404)
    return jsonify(id=run.id, state=run.state, output=run.output)
