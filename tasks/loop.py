"""loop: do something every so many seconds until it is stopped; here, look how full a disk is.

    pytask start loop --id disk path=/var every=60
    pytask send disk every seconds=5        # another pace, from now on
    pytask ask disk status                  # {"looks": 12, "used_percent": 71.3, "every": 5.0}
    pytask reload disk --data '{"path": "/home", "every": 60}'      # a new instance takes the run over
    pytask stop disk

Worth learning from: put your own work in place of `look`, and you have a service. It stays what its data
says through crashes and deploys; what a message has changed lives in memory, and ends with the instance.
"""

import shutil

from pytask import Task

LONGEST_S = 24 * 60 * 60


class Loop(Task):
    """Emit `disk` with `path`, `used_percent` and `free_bytes` at every look; `times` 0 is without end."""

    NAME = 'loop'
    DEMO = {'every': 0.2, 'times': 3}

    def __init__(self, path: str = '.', every: float = 10, times: int = 0) -> None:
        self.path, self.times = path, times
        self.every_s = self.checked(every)
        self.looks, self.used_percent = 0, None
        self.ticker = None

    def start(self) -> dict[str, object]:
        while not self.stopping.is_set() and not self.is_enough():
            self.ticker = self.spawn(self.tick)
            self.ticker.get()  # waits, and raises what went wrong in there
        return self.on_status()

    def stop(self) -> None:
        """Nothing to do: `every` ends by itself when the run is told to stop.

        Without this method the run would be interrupted wherever it is, and have no output.
        """

    def tick(self) -> None:
        for _ in self.every(self.every_s):  # without drift: the time a look takes does not add up
            self.look()
            if self.is_enough():
                return

    def look(self) -> None:
        # At least once: a run whose worker died starts anew, and may do again what was just done. Looking
        # twice harms nobody; where you write or send something, make the second time find the first.
        try:
            disk = self.offload(shutil.disk_usage, self.path)  # in a thread: a network disk may take its time
        except OSError as error:
            raise self.Error(f'can not look at {self.path}: {error.strerror}') from error
        self.looks, self.used_percent = self.looks + 1, round(100 * disk.used / max(disk.total, 1), 1)
        self.emit('disk', {'path': self.path, 'used_percent': self.used_percent, 'free_bytes': disk.free})
        self.progress(self.looks, target=self.times or None)

    def is_enough(self) -> bool:
        return 0 < self.times <= self.looks

    def on_every(self, seconds: float) -> None:
        self.every_s = self.checked(seconds)
        if self.ticker is not None:
            self.ticker.kill(block=False)  # `start` goes on, with one of the new pace

    def on_status(self) -> dict[str, object]:
        return {'looks': self.looks, 'used_percent': self.used_percent, 'every': self.every_s}

    def checked(self, seconds: float) -> float:
        if not 0.01 <= seconds <= LONGEST_S:
            raise self.Error(f'every is {seconds:g} s; it must be between 10 ms and a day')
        return seconds
