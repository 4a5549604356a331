"""Steps of flows. Each counts, in the flow's state, how many steps were passed before it."""

import random

import gevent

from pytask import spawn, wait

from .some import Noted, note


class Count(Noted):
    def work(self):
        gevent.sleep(random.uniform(0.02, 0.2))
        seen = self.state.setdefault('seen', [])
        seen.append(len(self.results.by_position))
        return {'step': len(self.results.by_position), 'before': len(seen)}


class Calling(Count):
    """Has a child do it."""

    def work(self):
        super().work()
        return spawn(reason='calling', task='nap', data={'seconds': 0.1})


class Waiting(Count):
    """Holds its flow, which is looked at soon."""

    CHECK_EVERY = 0.1

    def work(self):
        super().work()
        return wait(reason='waiting')

    def check(self):
        note(self, 'begin')
        note(self, 'end')
        self.state['looks'] = self.state.get('looks', 0) + 1
        return self.state['looks'] > 1
