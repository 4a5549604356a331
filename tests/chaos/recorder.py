"""Listens to all events, directly at Redis, and writes them down.

Two ends of one run without a `wait` or `running` between them are a second outcome, if nothing was missed
in between: what was heard before a lost subscription proves nothing.
"""

import json

import redis

from pytask.core.clock import boot_s

ENDS = {'success', 'stopped', 'error', 'exception'}
LIFE = {'wait', 'running'}


class Recorder:
    def __init__(self, ask, path, accuse):
        self._ask, self._accuse = ask, accuse
        self._file = path.open('a')
        self._ended = {}
        self.events = self.gaps = 0

    def run(self, over):
        while not over.is_set():
            try:
                self._listen(over)
            except (redis.RedisError, OSError):
                over.wait(0.05)
        self._file.close()

    def _listen(self, over):
        pubsub = self._ask.pubsub()
        try:
            pubsub.psubscribe('task-*')
            while not over.is_set():
                message = pubsub.get_message(timeout=1.0)
                if message and message['type'] == 'psubscribe':
                    self._ended.clear()
                    self.gaps += 1
                elif message and message['type'] == 'pmessage':
                    self._hear(message['channel'], message['data'])
        finally:
            pubsub.close()

    def _hear(self, channel, text):
        self._file.write(f'{boot_s():.4f} {channel.removeprefix("task-")} {text}\n')
        self.events += 1
        if channel.endswith('-control'):
            return
        run_id, name = channel.removeprefix('task-'), json.loads(text)['event']
        if name in ENDS and run_id in self._ended:
            self._accuse('second outcome', run_id, f'event {self._ended[run_id]}, then {name}')
        if name == 'running' and run_id in self._ended:
            self._accuse('second outcome', run_id, f'runs again after its event {self._ended[run_id]}')
        if name in ENDS:
            self._ended[run_id] = name
        elif name in LIFE:
            self._ended.pop(run_id, None)
