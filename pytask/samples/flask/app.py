"""A site with two views: one starts a run of a task in ./tasks, one reads it.

    pytask dev                                      # first, in a terminal of its own
    flask run                                       # then the site, in another

    curl localhost:5000/greetings -d name=you       # {"id": "..."}
    curl localhost:5000/greetings/ID                # {"state": "SUCCESS", "output": "hello you", ...}

The two meet in Redis alone: that of `pytask dev` in this folder, or the one that PYTASK_REDIS names for both.
Tasks that need this app (its database, its settings) return `app.app_context()` from `provide_context`.
"""

from flask import Flask, abort, jsonify, request
from flask.typing import ResponseReturnValue

from pytask import NotFound, PyTask

app = Flask(__name__)
tasks = PyTask()


@app.post('/greetings')
def start() -> ResponseReturnValue:
    run = tasks.client.start('hello-world', {'name': request.form.get('name', 'world')})
    return jsonify(id=run.id), 202


@app.get('/greetings/<run_id>')
def read(run_id: str) -> ResponseReturnValue:
    try:
        run = tasks.client.get(run_id)
    except NotFound:
        abort(404)
    return jsonify(id=run.id, state=run.state, output=run.output)
